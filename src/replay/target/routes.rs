//! From a request to a reply: the API's table as code.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::message::{Reply, Request};
use super::shop::{Product, Shop, UserRef};

/// Answers a request.
pub fn answer(shop: &mut Shop, request: &Request) -> Reply {
    route(shop, request).unwrap_or_else(|refusal| refusal).negotiated(request)
}

/// `Err` is an answer too: one that ended the handling early.
fn route(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    let method = if request.method == Method::HEAD { Method::GET } else { request.method.clone() };
    let segments: Vec<&str> = request.path.split('/').filter(|s| !s.is_empty()).collect();
    match segments.as_slice() {
        ["healthz"] => on(&method, "GET", || Ok(Reply::text(StatusCode::OK, "text/plain", "ok"))),
        ["login"] if method == Method::POST => login_form(shop, request),
        ["login"] => on(&method, "GET, POST", || Ok(login_page(shop))),
        ["account"] => on(&method, "GET", || Ok(account(shop, request))),
        ["api", "v1", rest @ ..] => api(shop, request, &method, rest),
        _ => Err(not_found()),
    }
}

/// Runs the handler when the method is the first of those allowed.
fn on(method: &Method, allowed: &str, handler: impl FnOnce() -> Result<Reply, Reply>) -> Result<Reply, Reply> {
    match allowed.split(", ").next() == Some(method.as_str()) {
        true => handler(),
        false => Err(Reply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").with("allow", allowed)),
    }
}

fn api(shop: &mut Shop, request: &Request, method: &Method, rest: &[&str]) -> Result<Reply, Reply> {
    match (method.as_str(), rest) {
        ("POST", ["register"]) => register(shop, request),
        ("POST", ["login"]) => login(shop, request),
        ("POST", ["logout"]) => logout(shop, request),
        ("GET", ["users", id]) => user(shop, request, id),
        ("GET", ["products"]) => Ok(products(shop, request)),
        ("GET", ["products", id]) => product(shop, id),
        ("GET", ["cart"]) => cart(shop, request),
        ("DELETE", ["cart"]) => clear_cart(shop, request),
        ("POST", ["cart", "items"]) => add_item(shop, request),
        ("DELETE", ["cart", "items", id]) => remove_item(shop, request, id),
        ("POST", ["orders"]) => place_order(shop, request),
        ("GET", ["orders"]) => orders(shop, request),
        ("GET", ["orders", id]) => order(shop, request, id),
        ("GET", ["profile"]) => Ok(Reply::json(StatusCode::OK, &shop.user(auth(shop, request)?).profile())),
        ("PUT" | "PATCH", ["profile"]) => change_profile(shop, request),
        ("POST", ["upload"]) => upload(shop, request),
        ("GET", ["export"]) => export(shop, request),
        (_, known) => match allowed(known) {
            Some(methods) => {
                Err(Reply::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").with("allow", methods))
            }
            None => Err(not_found()),
        },
    }
}

/// The methods of a known path.
fn allowed(rest: &[&str]) -> Option<&'static str> {
    Some(match rest {
        ["register" | "login" | "logout" | "upload"] | ["cart", "items"] => "POST",
        ["products" | "export"] | ["users" | "products" | "orders", _] => "GET, HEAD",
        ["orders"] => "GET, HEAD, POST",
        ["cart"] => "GET, HEAD, DELETE",
        ["cart", "items", _] => "DELETE",
        ["profile"] => "GET, HEAD, PUT, PATCH",
        _ => return None,
    })
}

fn not_found() -> Reply {
    Reply::error(StatusCode::NOT_FOUND, "not_found")
}

/// The token that a request carries.
fn token(request: &Request) -> Option<&str> {
    request.header("authorization").strip_prefix("Bearer ").or_else(|| request.cookie("session"))
}

/// Who asks, or 401.
fn auth(shop: &Shop, request: &Request) -> Result<UserRef, Reply> {
    let basic = || {
        use base64::Engine;
        let packed = request.header("authorization").strip_prefix("Basic ")?;
        let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(packed.trim()).ok()?).ok()?;
        let (email, password) = text.split_once(':')?;
        shop.authenticate(email, password)
    };
    token(request)
        .and_then(|token| shop.bearer(token))
        .or_else(basic)
        .ok_or_else(|| Reply::error(StatusCode::UNAUTHORIZED, "unauthorized").with("www-authenticate", "Bearer"))
}

/// Non-empty strings of an object, or 422 naming those that are none.
fn texts<const N: usize>(object: &Map<String, Value>, names: [&'static str; N]) -> Result<[String; N], Reply> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).filter(|s| !s.is_empty());
    let bad: Vec<&str> =
        names.into_iter().filter(|&name| text(name).is_none_or(|s| name == "email" && !s.contains('@'))).collect();
    match bad.is_empty() {
        true => Ok(names.map(|name| text(name).unwrap_or_default().to_owned())),
        false => Err(Reply::invalid(&bad)),
    }
}

/// A whole number, as number or as digits.
fn number(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn register(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    let [name, email, password] = texts(&request.object()?, ["name", "email", "password"])?;
    let user =
        shop.register(&name, &email, &password).ok_or_else(|| Reply::error(StatusCode::CONFLICT, "email_taken"))?;
    let id = shop.user(user).id;
    Ok(Reply::json(StatusCode::CREATED, &json!({"user_id": id, "name": name, "email": email}))
        .with("location", format!("/api/v1/users/{id}")))
}

fn user(shop: &Shop, request: &Request, id: &str) -> Result<Reply, Reply> {
    let user = shop.user(auth(shop, request)?);
    match id.parse() == Ok(user.id) {
        true => Ok(Reply::json(StatusCode::OK, &json!({"user_id": user.id, "name": user.name, "email": user.email}))),
        false => Err(not_found()),
    }
}

fn session_cookie(token: &str) -> String {
    format!("session={token}; Path=/; HttpOnly; SameSite=Lax")
}

fn login(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    let [email, password] = texts(&request.object()?, ["email", "password"])?;
    let user = shop
        .authenticate(&email, &password)
        .ok_or_else(|| Reply::error(StatusCode::UNAUTHORIZED, "bad_credentials"))?;
    let (cookie, token, id) = (shop.grant(user), shop.grant(user), shop.user(user).id);
    Ok(Reply::json(StatusCode::OK, &json!({"token": token, "user_id": id, "expires_in": 3600}))
        .with("set-cookie", session_cookie(&cookie)))
}

fn logout(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    auth(shop, request)?;
    shop.revoke(token(request).unwrap_or_default());
    Ok(Reply::empty(StatusCode::NO_CONTENT).with("set-cookie", "session=; Path=/; Max-Age=0"))
}

fn login_page(shop: &mut Shop) -> Reply {
    let form = format!(
        "<h1>Sign in</h1>\n<form method=\"post\" action=\"/login\">\n<input type=\"hidden\" name=\"csrf\" value=\"{}\">\n\
         <label>E-mail <input type=\"email\" name=\"email\"></label>\n<label>Password <input type=\"password\" name=\"password\"></label>\n\
         <button type=\"submit\">Sign in</button>\n</form>",
        shop.form_token()
    );
    Reply::html(StatusCode::OK, "Sign in", &form).with("cache-control", "no-store")
}

fn login_form(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    let form = request.object()?;
    let text = |name: &str| form.get(name).and_then(Value::as_str).unwrap_or_default();
    if !shop.redeem_form_token(text("csrf")) {
        return Err(Reply::html(StatusCode::FORBIDDEN, "Forbidden", "<p>This form is no longer valid.</p>"));
    }
    let refused = || Reply::html(StatusCode::UNAUTHORIZED, "Sign in", "<p>Unknown e-mail or wrong password.</p>");
    let user = shop.authenticate(text("email"), text("password")).ok_or_else(refused)?;
    let token = shop.grant(user);
    Ok(Reply::empty(StatusCode::SEE_OTHER).with("location", "/account").with("set-cookie", session_cookie(&token)))
}

fn account(shop: &Shop, request: &Request) -> Reply {
    match request.cookie("session").and_then(|token| shop.bearer(token)) {
        None => Reply::empty(StatusCode::SEE_OTHER).with("location", "/login"),
        Some(user) => {
            let user = shop.user(user);
            let body = format!(
                "<h1>Your account</h1>\n<p>Name: <b>{}</b></p>\n<p>E-mail: <b>{}</b></p>",
                escaped(&user.name),
                escaped(&user.email)
            );
            Reply::html(StatusCode::OK, "Your account", &body)
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An entity tag for a content: a strong one.
fn etag(content: &Value) -> String {
    format!("\"{}\"", &blake3::hash(content.to_string().as_bytes()).to_hex()[..20])
}

fn tagged(content: &Value) -> Reply {
    Reply::json(StatusCode::OK, content).with("etag", etag(content))
}

fn products(shop: &Shop, request: &Request) -> Reply {
    let parameter = |name: &str| request.parameter(name).and_then(|text| text.parse::<u64>().ok());
    let limit = parameter("limit").unwrap_or(10).clamp(1, 50) as usize;
    let total = shop.products.len();
    let pages = total.div_ceil(limit);
    let page = (parameter("page").unwrap_or(1).saturating_sub(1) % pages as u64) as usize;
    let items: Vec<&Product> = shop.products.iter().skip(page * limit).take(limit).collect();
    let next = format!("/api/v1/products?page={}&limit={limit}", page + 2);
    tagged(&json!({"items": items, "page": page + 1, "pages": pages, "total": total, "next": next}))
}

fn product(shop: &Shop, id: &str) -> Result<Reply, Reply> {
    let product = id.parse().ok().and_then(|id| shop.find(id)).ok_or_else(not_found)?;
    Ok(tagged(&json!(product)))
}

fn cart(shop: &Shop, request: &Request) -> Result<Reply, Reply> {
    let user = shop.user(auth(shop, request)?);
    Ok(Reply::json(
        StatusCode::OK,
        &json!({"cart_id": user.cart_id, "items": user.cart, "total_cents": shop.total(&user.cart)}),
    ))
}

fn clear_cart(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    let user = auth(shop, request)?;
    shop.user_mut(user).cart.clear();
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn add_item(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    let user = auth(shop, request)?;
    let object = request.object()?;
    let (product, quantity) = (number(object.get("product_id")), number(object.get("quantity")).filter(|&n| n > 0));
    let (Some(product), Some(quantity)) = (product, quantity) else {
        let missing = [("product_id", product.is_none()), ("quantity", quantity.is_none())];
        return Err(Reply::invalid(&missing.into_iter().filter(|m| m.1).map(|m| m.0).collect::<Vec<_>>()));
    };
    let item = shop.add_item(user, product, quantity).ok_or_else(not_found)?;
    Ok(Reply::json(StatusCode::CREATED, &json!(item)).with("location", format!("/api/v1/cart/items/{}", item.item_id)))
}

fn remove_item(shop: &mut Shop, request: &Request, id: &str) -> Result<Reply, Reply> {
    let user = auth(shop, request)?;
    let cart = &mut shop.user_mut(user).cart;
    let at = cart.iter().position(|item| id.parse() == Ok(item.item_id)).ok_or_else(not_found)?;
    cart.remove(at);
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn place_order(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    let user = auth(shop, request)?;
    request.object()?;
    let order = shop.order(user, now()).ok_or_else(|| Reply::error(StatusCode::CONFLICT, "cart_empty"))?;
    Ok(Reply::json(StatusCode::CREATED, &json!(order)).with("location", format!("/api/v1/orders/{}", order.order_id)))
}

fn orders(shop: &Shop, request: &Request) -> Result<Reply, Reply> {
    let orders = &shop.user(auth(shop, request)?).orders;
    let brief: Vec<Value> = orders
        .iter()
        .map(|o| json!({"order_id": o.order_id, "status": o.status, "total_cents": o.total_cents}))
        .collect();
    Ok(Reply::json(StatusCode::OK, &json!({ "items": brief })))
}

fn order(shop: &Shop, request: &Request, id: &str) -> Result<Reply, Reply> {
    let orders = &shop.user(auth(shop, request)?).orders;
    let order = orders.iter().find(|o| id.parse() == Ok(o.order_id)).ok_or_else(not_found)?;
    Ok(Reply::json(StatusCode::OK, &json!(order)))
}

fn change_profile(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    let user = auth(shop, request)?;
    let object = request.object()?;
    if request.method == Method::PUT {
        texts(&object, ["name"])?;
    }
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(String::from);
    let user = shop.user_mut(user);
    user.name = text("name").unwrap_or_else(|| user.name.clone());
    user.phone = text("phone").or(user.phone.take());
    user.birthday = text("birthday").or(user.birthday.take());
    user.newsletter = object.get("newsletter").cloned().or(user.newsletter.take());
    Ok(Reply::json(StatusCode::OK, &user.profile()))
}

fn upload(shop: &mut Shop, request: &Request) -> Result<Reply, Reply> {
    auth(shop, request)?;
    let parts = request.parts().ok_or_else(|| Reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_type"))?;
    if parts == 0 {
        return Err(Reply::invalid(&["file"]));
    }
    let id = shop.id();
    let created = json!({"upload_id": id, "parts": parts, "bytes": request.body.len()});
    Ok(Reply::json(StatusCode::CREATED, &created).with("location", format!("/api/v1/uploads/{id}")))
}

fn export(shop: &Shop, request: &Request) -> Result<Reply, Reply> {
    let user = shop.user(auth(shop, request)?);
    let elements = shop.products.iter().map(|p| json!(p)).chain(user.orders.iter().map(|o| json!(o)));
    let separators = std::iter::once("[\n").chain(std::iter::repeat(",\n"));
    let chunks = separators.zip(elements).map(|(before, element)| format!("{before}{element}").into());
    Ok(Reply::chunks(chunks.chain([bytes::Bytes::from_static(b"\n]\n")]).collect()))
}

/// The time as RFC 3339 has it, in UTC.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, in eras of 400 years (Howard Hinnant's civil_from_days).
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}
