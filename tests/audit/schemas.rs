//! What audit and inspect print agrees with their schemas.

use super::*;

/// The value agrees with `tests/schemas/NAME.schema.json`; otherwise where it does not.
pub fn validate(name: &str, value: &serde_json::Value) {
    let path = format!("{}/tests/schemas/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let faults: Vec<String> = validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{path}:\n{}", faults.join("\n"));
}

#[test]
fn audit_and_inspect_agree_with_their_schemas() {
    for capture_of in [original(), masked()] {
        validate("audit", &serde_json::to_value(audit(capture(&capture_of))).unwrap());
    }
    let inspection = inspect::inspect(&input(capture(&original())), &judge("default")).unwrap();
    validate("inspect", &serde_json::to_value(inspection).unwrap());
    let alone = single(&input(capture(&original())), &judge("default")).unwrap();
    validate("audit", &serde_json::to_value(alone).unwrap());
}

#[test]
#[should_panic(expected = "verdict")]
fn a_report_without_a_verdict_does_not_agree() {
    let mut value = serde_json::to_value(audit(capture(&masked()))).unwrap();
    value.as_object_mut().unwrap().remove("verdict");
    validate("audit", &value);
}
