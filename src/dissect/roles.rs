//! Which side of a connection asks: a guess where its opening was not captured, until a message tells.

use crate::protocol::Side;

/// What is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Roles {
    guessed_wrong: bool,
    /// A message was seen.
    told: bool,
}

impl Roles {
    /// Which role a side has.
    pub fn of(&self, side: Side) -> Side {
        match (side, self.guessed_wrong) {
            (Side::Client, false) | (Side::Server, true) => Side::Client,
            (Side::Server, false) | (Side::Client, true) => Side::Server,
        }
    }

    /// A message of that role's begins on a side. The first one tells who is who; true if what was held for the two sides
    /// has to change places.
    pub fn begins(&mut self, side: Side, role: Side) -> bool {
        let is_first = !std::mem::replace(&mut self.told, true);
        let was_wrong = is_first && self.of(side) != role;
        self.guessed_wrong ^= was_wrong;
        was_wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_tells_and_no_later_one() {
        let mut roles = Roles::default();
        assert_eq!(roles.of(Side::Server), Side::Server);
        assert!(roles.begins(Side::Server, Side::Client));
        assert_eq!([roles.of(Side::Server), roles.of(Side::Client)], [Side::Client, Side::Server]);
        assert!(!roles.begins(Side::Client, Side::Client));
        assert_eq!(roles.of(Side::Server), Side::Client);
        let mut right = Roles::default();
        assert!(!right.begins(Side::Client, Side::Client));
        assert!(!right.begins(Side::Server, Side::Client));
        assert_eq!(right.of(Side::Client), Side::Client);
    }
}
