//! How a gRPC call went: the status in its trailers, or in its head where nothing else was said.

/// Status of a call of which the server gives none that is known (gRPC: `UNKNOWN`).
const UNKNOWN: u32 = 2;
/// The greatest that is known.
const GREATEST: u32 = 16;

/// The status that `grpc-status` says.
pub fn grpc_code(value: &[u8]) -> u32 {
    let code = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
    code.filter(|code| *code <= GREATEST).unwrap_or(UNKNOWN)
}

/// The status of a call whose answer is told as HTTP/1, if it is one and says so.
pub fn grpc_status(response: &[u8]) -> Option<u32> {
    memchr::memmem::find(response, b"application/grpc")?;
    let at = memchr::memmem::rfind(response, b"\ngrpc-status:")? + b"\ngrpc-status:".len();
    let end = memchr::memchr2(b'\r', b'\n', &response[at..])?;
    Some(grpc_code(&response[at..at + end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_stand_in_trailers_or_heads() {
        let head = "HTTP/1.1 200 \r\ncontent-type: application/grpc+proto\r\n";
        for (rest, status) in [
            ("transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\ngrpc-status: 5\r\ngrpc-message: no\r\n\r\n", Some(5)),
            ("grpc-status:0\r\n\r\n", Some(0)),
            ("grpc-status: 99\r\n\r\n", Some(2)),
            ("grpc-status: x\r\n\r\n", Some(2)),
            ("\r\n", None),
        ] {
            assert_eq!(grpc_status(format!("{head}{rest}").as_bytes()), status, "{rest}");
        }
        assert_eq!(grpc_status(b"HTTP/1.1 200 \r\n\r\ngrpc-status: 5\r\n"), None);
    }
}
