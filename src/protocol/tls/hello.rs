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

/// A ClientHello, its header left out. Nothing when it is cut or damaged: what is left is no hello's.
pub fn client(emit: &mut Emit<'_>) -> Option<()> {
    emit.keep(2)?;
    emit.skip(32, RANDOM)?;
    vector(emit, 1, |emit| all_opaque(emit, SESSION))?;
    vector(emit, 2, |emit| pairs(emit, |high| matches!(high, 0x00 | 0x13 | 0x56 | 0xc0 | 0xc1 | 0xcc | 0xd0 | 0xfe)))?;
    vector(emit, 1, |emit| bytes(emit, 64))?;
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
        // Max fragment length, record size.
        1 | 28 => all_kept(emit, 2),
        // Status request without a list of responders.
        5 if emit.rest() == [1, 0, 0, 0, 0] => all_kept(emit, 5),
        10 => {
            vector(emit, 2, |emit| pairs(emit, |high| matches!(high, 0..=2 | 0x11 | 0x2a..=0x2f | 0x63 | 0xfe | 0xff)))
        }
        // Point formats, exchange modes.
        11 | 45 => vector(emit, 1, |emit| bytes(emit, 2)),
        // Signature algorithms, those of certificates.
        13 | 50 => vector(emit, 2, |emit| pairs(emit, |high| matches!(high, 0..=9 | 0xfe))),
        // Certificate compression.
        27 => vector(emit, 1, |emit| pairs(emit, |high| high == 0)),
        // Versions: a list from the client, one from the server.
        43 if from_client => vector(emit, 1, |emit| pairs(emit, |high| matches!(high, 3 | 0x7e | 0x7f | 0xfe))),
        43 => all_kept(emit, 2),
        16 => vector(emit, 2, |emit| {
            while !emit.rest().is_empty() {
                vector(emit, 1, protocol)?;
            }
            Some(())
        }),
        41 if from_client => pre_shared_keys(emit),
        41 => all_kept(emit, 2),
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

/// Two-byte numbers: kept when all are of blocks that the registry uses, or GREASE (RFC 8701).
fn pairs(emit: &mut Emit<'_>, registered: fn(u8) -> bool) -> Option<()> {
    let is_grease = |pair: &[u8; 2]| pair[0] == pair[1] && pair[0] & 0x0f == 0x0a;
    let (pairs, odd) = emit.rest().as_chunks::<2>();
    let known = odd.is_empty() && pairs.iter().all(|pair| registered(pair[0]) || is_grease(pair));
    if known { all_kept(emit, usize::MAX) } else { Some(()) }
}

/// One-byte numbers: kept when none is larger.
fn bytes(emit: &mut Emit<'_>, largest: u8) -> Option<()> {
    if emit.rest().iter().all(|byte| *byte <= largest) { all_kept(emit, usize::MAX) } else { Some(()) }
}

/// Keeps what is there if it is not longer.
fn all_kept(emit: &mut Emit<'_>, longest: usize) -> Option<()> {
    let len = emit.rest().len();
    if len <= longest { emit.keep(len).map(drop) } else { Some(()) }
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
