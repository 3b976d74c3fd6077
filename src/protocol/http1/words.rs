//! Constants of HTTP: what is in these lists says nothing about anyone.

/// Values and parameters of header fields, in lower case, sorted.
const WORDS: &[&str] = &[
    "*", "*/*", "100-continue", "7bit", "8bit", "?0", "?1", "algorithm", "allow", "allow-from", "alternate",
    "anonymous", "any", "application/*", "application/atom+xml", "application/csp-report", "application/dns-message",
    "application/font-woff", "application/graphql", "application/graphql-response+json", "application/grpc",
    "application/gzip", "application/hal+json", "application/java-archive", "application/javascript",
    "application/json", "application/json-patch+json", "application/ld+json", "application/manifest+json",
    "application/merge-patch+json", "application/msgpack", "application/ocsp-request", "application/ocsp-response",
    "application/octet-stream", "application/pdf", "application/pkix-cert", "application/pkix-crl",
    "application/problem+json", "application/protobuf", "application/rss+xml", "application/rtf",
    "application/signed-exchange", "application/soap+xml", "application/vnd.api+json", "application/vnd.ms-excel",
    "application/wasm", "application/x-gzip", "application/x-javascript", "application/x-ndjson",
    "application/x-protobuf", "application/x-shockwave-flash", "application/x-tar",
    "application/x-www-form-urlencoded", "application/x-x509-ca-cert", "application/x-yaml",
    "application/x-zip-compressed", "application/xhtml+xml", "application/xml", "application/yaml", "application/zip",
    "as", "ascii", "attachment", "audio", "audio/*", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav",
    "audioworklet", "auth", "auth-int", "base64", "basic", "bearer", "big5", "binary", "binary/octet-stream", "block",
    "boundary", "br", "bytes", "canonical", "charset", "chunked", "client_max_window_bits",
    "client_no_context_takeover", "close", "compress", "connect", "cookie", "cookies", "copy", "cors",
    "credentialless", "cross-origin", "cross-site", "deflate", "delete", "delta", "deny", "dictionary", "digest",
    "dns-prefetch", "document", "domain", "embed", "empty", "euc-jp", "euc-kr", "expires", "false", "filename",
    "first", "font", "font/*", "font/otf", "font/ttf", "font/woff", "font/woff2", "form-data", "frame", "gb18030",
    "gb2312", "gbk", "get", "gzip", "h2", "h2c", "head", "http", "http/1.0", "http/1.1", "http/2", "http/2.0",
    "http/3", "httponly", "https", "i", "identity", "iframe", "image", "image/*", "image/apng", "image/avif",
    "image/bmp", "image/gif", "image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/svg+xml", "image/tiff",
    "image/vnd.microsoft.icon", "image/webp", "image/x-icon", "image/x-xbitmap", "immutable", "includesubdomains",
    "inline", "iso-8859-1", "iso-8859-15", "keep-alive", "koi8-r", "last", "latin1", "lax", "level", "link", "lock",
    "manifest", "max", "max-age", "max-stale", "md5", "md5-sess", "media", "merge", "message/global", "message/http",
    "message/rfc822", "min-fresh", "mkcol", "modulepreload", "move", "multipart/alternative", "multipart/byteranges",
    "multipart/form-data", "multipart/mixed", "multipart/related", "must-revalidate", "must-understand", "name",
    "navigate", "negotiate", "nested-navigate", "next", "no-cache", "no-cors", "no-referrer",
    "no-referrer-when-downgrade", "no-store", "no-transform", "no-vary-search", "none", "nosniff", "nosnippet",
    "notify", "ntlm", "null", "object", "off", "on", "only-if-cached", "options", "origin",
    "origin-when-cross-origin", "paintworklet", "partitioned", "patch", "path", "permessage-deflate", "post",
    "post-check", "pre-check", "preconnect", "prefetch", "preload", "prev", "previous", "priority", "private",
    "propfind", "proppatch", "proto", "proxy-revalidate", "public", "purge", "put", "q", "qop", "quoted-printable",
    "realm", "rel", "reload", "report", "require-corp", "s-maxage", "same-document", "same-origin",
    "same-origin-allow-popups", "same-site", "sameorigin", "samesite", "script", "search", "secure", "self",
    "server_max_window_bits", "server_no_context_takeover", "serviceworker", "sha-256", "sha-256-sess", "sha-512-256",
    "sharedworker", "shift_jis", "speculationrules", "stale", "stale-if-error", "stale-while-revalidate", "strict",
    "strict-origin", "strict-origin-when-cross-origin", "style", "stylesheet", "subscribe", "text/*", "text/calendar",
    "text/css", "text/csv", "text/event-stream", "text/html", "text/javascript", "text/markdown", "text/plain",
    "text/vcard", "text/x-component", "text/x-json", "text/xml", "timeout", "tls/1.0", "tls/1.2", "token", "trace",
    "track", "trailers", "true", "type", "u", "unlimited", "unlock", "unsafe-none", "unsafe-url", "unsubscribe",
    "upgrade", "us-ascii", "use-as-dictionary", "utf-16", "utf-16be", "utf-16le", "utf-32", "utf-8", "utf8", "v",
    "vary", "version", "video", "video/*", "video/mp2t", "video/mp4", "video/mpeg", "video/ogg", "video/webm",
    "video/x-flv", "w", "webidentity", "websocket", "wildcard", "windows-1250", "windows-1251", "windows-1252",
    "worker", "x-compress", "x-gzip", "x-user-defined", "xmlhttprequest", "xslt", "zstd",
];

/// Reason phrases, registered (RFC 9110 §15) or common.
const REASONS: &[&str] = &[
    "Continue", "Switching Protocols", "Processing", "Early Hints", "OK", "Created", "Accepted",
    "Non-Authoritative Information", "No Content", "Reset Content", "Partial Content", "Multi-Status",
    "Already Reported", "IM Used", "Multiple Choices", "Moved Permanently", "Found", "See Other", "Not Modified",
    "Use Proxy", "Temporary Redirect", "Permanent Redirect", "Bad Request", "Unauthorized", "Payment Required",
    "Forbidden", "Not Found", "Method Not Allowed", "Not Acceptable", "Proxy Authentication Required",
    "Request Timeout", "Request Time-out", "Conflict", "Gone", "Length Required", "Precondition Failed",
    "Content Too Large", "Payload Too Large", "Request Entity Too Large", "URI Too Long", "Request-URI Too Long",
    "Unsupported Media Type", "Range Not Satisfiable", "Requested Range Not Satisfiable", "Expectation Failed",
    "I'm a teapot", "Misdirected Request", "Unprocessable Content", "Unprocessable Entity", "Locked",
    "Failed Dependency", "Too Early", "Upgrade Required", "Precondition Required", "Too Many Requests",
    "Request Header Fields Too Large", "Unavailable For Legal Reasons", "Internal Server Error", "Not Implemented",
    "Bad Gateway", "Service Unavailable", "Gateway Timeout", "Gateway Time-out", "HTTP Version Not Supported",
    "Variant Also Negotiates", "Insufficient Storage", "Loop Detected", "Not Extended",
    "Network Authentication Required", "Moved Temporarily", "Object Moved", "Authorization Required", "Access Denied",
    "Connection Established", "Web Socket Protocol Handshake", "WebSocket Protocol Handshake", "Server Error",
    "Error", "Not Authorized", "Invalid Request",
];

/// Longest of [`WORDS`].
const WORD_MAX: usize = 40;

/// Whether `word` is a constant of the protocol, in any case.
pub fn is_known(word: &[u8]) -> bool {
    let mut lower = [0; WORD_MAX];
    let Some(lower) = lower.get_mut(..word.len()) else { return false };
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    WORDS.binary_search_by(|known| known.as_bytes().cmp(lower)).is_ok()
}

/// Whether `phrase` is one that servers send, in any case.
pub fn is_reason(phrase: &[u8]) -> bool {
    REASONS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(phrase))
}

/// Whether `tag` is a language, perhaps with a script and a region: `de`, `zh-Hant-TW`, `es-419` (RFC 5646).
pub fn is_language(tag: &[u8]) -> bool {
    let mut parts = tag.split(|&b| b == b'-');
    let language = parts.next().unwrap_or_default();
    let is_language = matches!(language.len(), 2 | 3) && language.iter().all(u8::is_ascii_lowercase);
    is_language && parts.all(|part| match part.len() {
        2 | 4 => part.iter().all(u8::is_ascii_alphabetic),
        3 => part.iter().all(u8::is_ascii_digit),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_found() {
        assert!(WORDS.is_sorted_by(|a, b| a < b));
        assert!(WORDS.iter().all(|word| word.len() <= WORD_MAX && is_known(word.as_bytes())));
        assert!(is_known(b"Text/HTML") && !is_known(b"anna"));
        assert!(is_reason(b"not found") && !is_reason(b"Anna not found"));
    }

    #[test]
    fn languages_only() {
        assert!([&b"de"[..], b"en-US", b"zh-Hant-TW", b"es-419"].into_iter().all(is_language));
        assert!(![&b""[..], b"x", b"Anna", b"en-anna@", b"de-1234"].into_iter().any(is_language));
    }
}
