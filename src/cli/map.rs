//! `standin map`: values to their pseudonyms, so that staging can be seeded with the people of a masked capture.

use std::io::{BufRead, Write};
use std::sync::Arc;

use super::args::MapArgs;
use super::{Exit, Failure};
use crate::mask::Key;
use crate::rules::Policy;
use crate::sanitize::Mapper;

pub(super) fn run(args: &MapArgs) -> Result<Exit, Failure> {
    let mut mappers = mappers(args)?;
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
        for mapper in &mut mappers {
            pseudonym.clear();
            mapper.map(&line, &mut pseudonym);
            std::mem::swap(&mut line, &mut pseudonym);
        }
        if ended {
            line.push(b'\n');
        }
        stdout.write_all(&line).map_err(|e| Failure::io("cannot write to", "stdout".as_ref(), &e))?;
    }
    stdout.flush().map_err(|e| Failure::io("cannot write to", "stdout".as_ref(), &e))?;
    Ok(Exit::Clean)
}

/// From a value to its pseudonym in the masked capture, and on to that of a copy.
fn mappers(args: &MapArgs) -> Result<Vec<Mapper>, Failure> {
    let policy = Arc::new(Policy::load(&args.rules)?);
    let masked = args.key.as_deref().map(Key::read).transpose()?;
    let copy = args.copy.filter(|copy| *copy > 0).map(|copy| Key::of_copy(args.seed, copy));
    Ok(masked.iter().chain(&copy).map(|key| Mapper::new(key, policy.clone())).collect())
}
