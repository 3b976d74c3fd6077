//! `standin map`: values to their pseudonyms, so that staging can be seeded with the people of a masked capture.

use std::io::{BufRead, Write};
use std::sync::Arc;

use super::args::MapArgs;
use super::{Exit, Failure};
use crate::mask::Key;
use crate::rules::Policy;
use crate::sanitize::Mapper;

pub(super) fn run(args: &MapArgs) -> Result<Exit, Failure> {
    let policy = Arc::new(Policy::load(&args.rules)?);
    let key = Key::read(&args.key)?;
    let mut mapper = Mapper::new(&key, policy);
    let mut stdin = std::io::stdin().lock();
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut line, mut pseudonym) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = stdin.read_until(b'\n', &mut line).map_err(|e| Failure::io("cannot read", "stdin".as_ref(), &e))?;
        if read == 0 {
            break;
        }
        let ended = line.last() == Some(&b'\n');
        if ended {
            line.pop();
        }
        pseudonym.clear();
        mapper.map(&line, &mut pseudonym);
        if ended {
            pseudonym.push(b'\n');
        }
        stdout.write_all(&pseudonym).map_err(|e| Failure::io("cannot write to", "stdout".as_ref(), &e))?;
    }
    stdout.flush().map_err(|e| Failure::io("cannot write to", "stdout".as_ref(), &e))?;
    Ok(Exit::Clean)
}
