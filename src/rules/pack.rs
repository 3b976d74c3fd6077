//! The rules that are built in.

/// A built-in rules file.
pub struct Pack {
    /// Its name on the command line and in `extends`.
    pub name: &'static str,
    /// One line for `standin rules list`.
    pub about: &'static str,
    /// The YAML.
    pub yaml: &'static str,
}

/// Every pack.
pub const PACKS: &[Pack] = &[
    Pack {
        name: "default",
        about: "deny by default: names stay, values become pseudonyms, unknown bytes are blanked",
        yaml: include_str!("../../rules/default.yaml"),
    },
    Pack {
        name: "blank",
        about: "every value and address blanked, structure kept: the output depends on no secret",
        yaml: include_str!("../../rules/blank.yaml"),
    },
    Pack {
        name: "headers-only",
        about: "addresses become pseudonyms, every payload byte is blanked",
        yaml: include_str!("../../rules/headers-only.yaml"),
    },
    Pack {
        name: "addresses-only",
        about: "addresses become pseudonyms, payload is kept: for trusted hands",
        yaml: include_str!("../../rules/addresses-only.yaml"),
    },
];
