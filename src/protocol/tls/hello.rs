//! ClientHello and ServerHello (RFC 8446 §4.1): versions, ciphers and groups are kept, the server's name is a host,
//! randoms, session ids, keys and tickets are opaque.

use crate::protocol::emit::Emit;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

const RANDOM: &str = "tls random";
const SESSION: &str = "tls session";
const KEY: &str = "tls key share";
const EXTENSION: &str = "tls extension";

/// What the random of a ServerHello says when it asks for another hello.
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11,
    0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];
/// Protocols of RFC 7301's registry that carry no name of anybody.
const PROTOCOLS: &[&[u8]] = &[
    b"http/0.9",
    b"http/1.0",
    b"http/1.1",
    b"spdy/1",
    b"spdy/2",
    b"spdy/3",
    b"spdy/3.1",
    b"h2",
    b"h2c",
    b"h3",
    b"grpc-exp",
    b"ftp",
    b"imap",
    b"pop3",
    b"managesieve",
    b"coap",
    b"xmpp-client",
    b"xmpp-server",
    b"acme-tls/1",
    b"mqtt",
    b"dot",
    b"ntske/1",
    b"sunrpc",
    b"irc",
    b"nntp",
    b"nnsp",
    b"doq",
    b"sip/2",
    b"tds/8.0",
    b"postgresql",
];
/// Longest list of numbers that is kept.
const NUMBERS_MAX: usize = 512;

/// A ClientHello, its header left out. Nothing when it is cut or damaged: what is left is no hello's.
pub fn client(emit: &mut Emit<'_>) -> Option<()> {
    emit.keep(2)?;
    emit.skip(32, RANDOM)?;
    vector(emit, 1, |emit| all_opaque(emit, SESSION))?;
    vector(emit, 2, suites)?;
    vector(emit, 1, numbers)?;
    extensions(emit, true)
}

/// A ServerHello, likewise.
pub fn server(emit: &mut Emit<'_>) -> Option<()> {
    emit.keep(2)?;
    match emit.rest().starts_with(&RETRY) {
        true => drop(emit.keep(RETRY.len())),
        false => emit.skip(RETRY.len(), RANDOM)?,
    }
    vector(emit, 1, |emit| all_opaque(emit, SESSION))?;
    emit.keep(3)?;
    extensions(emit, false)
}

fn extensions(emit: &mut Emit<'_>, from_client: bool) -> Option<()> {
    if emit.rest().is_empty() {
        return Some(());
    }
    vector(emit, 2, |emit| {
        while let Some(kind) = emit.keep(2) {
            let kind = u16::from_be_bytes([kind[0], kind[1]]);
            vector(emit, 2, |emit| extension(emit, kind, from_client))?;
        }
        Some(())
    })
}

/// The data of an extension (IANA's numbers).
fn extension(emit: &mut Emit<'_>, kind: u16, from_client: bool) -> Option<()> {
    match kind {
        0 => vector(emit, 2, server_names),
        // Max fragment length, groups, point formats, signature algorithms, certificate compression, record size,
        // versions, exchange modes, certificates' signature algorithms.
        1 | 10 | 11 | 13 | 27 | 28 | 43 | 45 | 50 => numbers(emit),
        5 if emit.rest() == [1, 0, 0, 0, 0] => numbers(emit),
        16 => vector(emit, 2, |emit| {
            while !emit.rest().is_empty() {
                vector(emit, 1, protocol)?;
            }
            Some(())
        }),
        41 if from_client => pre_shared_keys(emit),
        41 => numbers(emit),
        51 if from_client => vector(emit, 2, |emit| {
            while !emit.rest().is_empty() {
                key_share(emit)?;
            }
            Some(())
        }),
        51 => key_share(emit),
        // Renegotiation: the verify data of the connection before.
        0xff01 => vector(emit, 1, |emit| all_opaque(emit, EXTENSION)),
        _ => all_opaque(emit, EXTENSION),
    }
}

fn server_names(emit: &mut Emit<'_>) -> Option<()> {
    while !emit.rest().is_empty() {
        let kind = emit.keep(1)?[0];
        vector(emit, 2, |emit| {
            if kind == 0 {
                emit.field_to(emit.bytes().len(), &Path::new("tls.server-name"), Encoding::Plain, Role::Host);
            }
            Some(())
        })?;
    }
    Some(())
}

fn protocol(emit: &mut Emit<'_>) -> Option<()> {
    let end = emit.bytes().len();
    if PROTOCOLS.contains(&emit.rest()) {
        emit.keep_to(end);
    } else {
        emit.field_to(end, &Path::new("tls.alpn"), Encoding::Plain, Role::Value);
    }
    Some(())
}

fn key_share(emit: &mut Emit<'_>) -> Option<()> {
    emit.keep(2)?;
    // A hello that asks for another one names only the group.
    if emit.rest().is_empty() { Some(()) } else { vector(emit, 2, |emit| all_opaque(emit, KEY)) }
}

fn pre_shared_keys(emit: &mut Emit<'_>) -> Option<()> {
    vector(emit, 2, |emit| {
        while !emit.rest().is_empty() {
            vector(emit, 2, |emit| all_opaque(emit, SESSION))?;
            emit.skip(4, SESSION)?;
        }
        Some(())
    })?;
    vector(emit, 2, |emit| {
        while !emit.rest().is_empty() {
            vector(emit, 1, |emit| all_opaque(emit, SESSION))?;
        }
        Some(())
    })
}

/// Cipher suites: kept when all are of registered blocks.
fn suites(emit: &mut Emit<'_>) -> Option<()> {
    let registered = |suite: &[u8]| {
        let is_grease = suite[0] == suite[1] && suite[0] & 0x0f == 0x0a;
        is_grease || matches!(suite[0], 0x00 | 0x13 | 0x56 | 0xc0 | 0xc1 | 0xcc | 0xd0 | 0xfe)
    };
    let (pairs, odd) = emit.rest().as_chunks::<2>();
    if odd.is_empty() && pairs.iter().all(|suite| registered(suite)) { numbers(emit) } else { Some(()) }
}

/// Registered numbers.
fn numbers(emit: &mut Emit<'_>) -> Option<()> {
    emit.keep(emit.rest().len().min(NUMBERS_MAX)).map(drop)
}

fn all_opaque(emit: &mut Emit<'_>, what: &'static str) -> Option<()> {
    emit.skip(emit.rest().len(), what)
}

/// A vector (RFC 8446 §3.4) with a length of `width` bytes; `read` sees what is in it and may leave some, opaque then.
fn vector(emit: &mut Emit<'_>, width: usize, read: impl FnOnce(&mut Emit<'_>) -> Option<()>) -> Option<()> {
    let length = emit.rest().get(..width)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    emit.keep(width);
    emit.rest().get(..length)?;
    emit.within(emit.done() + length, |emit| {
        let whole = read(emit);
        emit.opaque_to(emit.bytes().len(), EXTENSION);
        whole
    })
}
