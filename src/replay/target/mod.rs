//! The embedded target: a small shop with sessions and state, so that `demo` and the tests need no other service.
//!
//! Every id and token is drawn afresh in each process, so that a replay only succeeds when it correlates: it must send the
//! values that *this* process handed out. Only the shape of what people type is checked (a masked name is a name).
//!
//! # The API
//!
//! HTTP/1.1 with keep-alive; a `Date` header on every answer. JSON is `application/json`. Ids are decimal JSON numbers of six to nine digits,
//! tokens 32 lower-case hex digits. *auth*: cookie `session=TOKEN`, or `Authorization: Bearer TOKEN`, or
//! `Authorization: Basic base64(email:password)`; without it 401 `{"error":"unauthorized"}` and `WWW-Authenticate: Bearer`.
//! Query parameters not named here are ignored. Numbers may come as JSON numbers or as strings of digits.
//!
//! | request | auth | body | answer |
//! |---|---|---|---|
//! | `GET /healthz` | | | 200 `text/plain` `ok` |
//! | `POST /api/v1/register` | | JSON `name`, `email`, `password` | 201 `{"user_id","name","email"}`, `Location: /api/v1/users/{user_id}`; 409 `email_taken` when the e-mail is known |
//! | `GET /api/v1/users/{user_id}` | yes | | 200 `{"user_id","name","email"}` for oneself; otherwise 404 |
//! | `POST /api/v1/login` | | JSON or form `email`, `password` | 200 `{"token","user_id","expires_in":3600}`, `Set-Cookie: session=TOKEN; Path=/; HttpOnly; SameSite=Lax`; 401 `bad_credentials`. The cookie and the token of one login are different values, both valid |
//! | `POST /api/v1/logout` | yes | none | 204, `Set-Cookie: session=; Path=/; Max-Age=0`; the session or token used is no longer valid |
//! | `GET /login` | | | 200 HTML form with `<input type="hidden" name="csrf" value="TOKEN">`; each page has a fresh token, valid once |
//! | `POST /login` | | form `csrf`, `email`, `password` | 303 `Location: /account`, `Set-Cookie: session=…` as above; 403 HTML for an unknown or missing `csrf`; 401 HTML for bad credentials |
//! | `GET /account` | cookie | | 200 HTML with name and e-mail (escaped); without a session 303 `Location: /login` |
//! | `GET /api/v1/products?page=P&limit=L` | | | 200 `{"items":[PRODUCT…],"page","pages","total","next"}`, `ETag`. 48 products; `limit` 1 to 50 (clamped), default 10; any `page` is valid: it wraps around (`(page-1) mod pages`), not a number means 1. `next` is the path and query of the next page. `If-None-Match` equal to the `ETag`: 304 without body |
//! | `GET /api/v1/products/{id}` | | | 200 PRODUCT `{"id","sku","name","price_cents","currency":"EUR","stock"}`, `ETag`, 304 as above; 404 unknown |
//! | `GET /api/v1/cart` | yes | | 200 `{"cart_id","items":[{"item_id","product_id","quantity"}],"total_cents"}` |
//! | `POST /api/v1/cart/items` | yes | JSON or form `product_id`, `quantity` | 201 `{"item_id","product_id","quantity"}`, `Location: /api/v1/cart/items/{item_id}`; 404 unknown product; 422 when one is missing or `quantity` is no positive whole number |
//! | `DELETE /api/v1/cart/items/{item_id}` | yes | | 204; 404 unknown |
//! | `DELETE /api/v1/cart` | yes | | 204; the cart is empty |
//! | `POST /api/v1/orders` | yes | JSON object (`address`, `card` and whatever else; not looked at) | 201 `{"order_id","status":"placed","total_cents","items":[…],"created"}` (RFC 3339), `Location: /api/v1/orders/{order_id}`, the cart becomes empty; 409 `cart_empty` |
//! | `GET /api/v1/orders` | yes | | 200 `{"items":[{"order_id","status","total_cents"}]}` |
//! | `GET /api/v1/orders/{order_id}` | yes | | 200 as at creation; 404 unknown or someone else's |
//! | `GET /api/v1/profile` | yes | | 200 `{"user_id","name","email","phone","birthday","newsletter"}` (`null` until set) |
//! | `PUT`, `PATCH /api/v1/profile` | yes | JSON object; `name`, `phone`, `birthday` (strings), `newsletter` | 200 as GET; `PUT` needs a non-empty `name`, else 422 |
//! | `POST /api/v1/upload` | yes | `multipart/form-data`, at least one part | 201 `{"upload_id","parts","bytes"}`, `Location: /api/v1/uploads/{upload_id}`; 415 for another type, 422 without a part |
//! | `GET /api/v1/export` | yes | | 200 `application/json`, **chunked**: one array, the products and then the user's orders, a chunk per element; never gzipped |
//!
//! Errors are `{"error":CODE}`, for 422 also `"fields":[NAME…]`: 400 `bad_json` (or a bad form), 401, 403, 404 `not_found`, 405
//! `method_not_allowed` with `Allow`, 409, 413 `too_large` (bodies over 1 MiB), 415 `unsupported_type`, 422 `invalid` (a field missing,
//! empty, of the wrong type, or an `email` without `@`).
//! `HEAD` is answered as GET, without body. With `Accept-Encoding: gzip`, bodies of more than 256 bytes of JSON or HTML are gzipped (`Content-Encoding: gzip`,
//! `Vary: Accept-Encoding`), with a `Content-Length`. Request bodies may be chunked; `Expect: 100-continue` is honoured.
