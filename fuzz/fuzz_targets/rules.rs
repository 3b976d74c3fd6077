//! A rules file: refused with a message, or a policy that decides.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use standin::rules::Policy;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("standin-fuzz-{}.yaml", std::process::id())));

fuzz_target!(|data: &[u8]| {
    std::fs::write(&*FILE, data).expect("room for a small file");
    match Policy::load(&[FILE.to_string_lossy().into_owned()]) {
        Ok(policy) => {
            policy.decide("http.request.body.user.name", "name");
            policy.is_vocabulary(b"orders");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
