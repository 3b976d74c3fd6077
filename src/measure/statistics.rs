//! Distances between distributions.

use std::collections::BTreeMap;

/// The Kolmogorov-Smirnov distance of two samples, in any order: the largest difference of their empirical
/// distribution functions, 0 (alike) to 1 (apart). None when one is empty.
pub fn ks_distance(mut a: Vec<f64>, mut b: Vec<f64>) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let (mut i, mut j, mut largest) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let at = a[i].min(b[j]);
        i += a[i..].iter().take_while(|x| **x <= at).count();
        j += b[j..].iter().take_while(|x| **x <= at).count();
        largest = largest.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    Some(largest)
}

/// The L1 distance of two mixes of things counted: the sum of the differences of their shares, 0 (alike) to 2 (nothing
/// in common). None when one is empty.
pub fn l1_distance<K: Ord>(a: &BTreeMap<K, u64>, b: &BTreeMap<K, u64>) -> Option<f64> {
    let total = |mix: &BTreeMap<K, u64>| mix.values().sum::<u64>() as f64;
    let (total_a, total_b) = (total(a), total(b));
    if total_a == 0.0 || total_b == 0.0 {
        return None;
    }
    let share = |mix: &BTreeMap<K, u64>, key: &K, total: f64| mix.get(key).copied().unwrap_or(0) as f64 / total;
    let in_a: f64 = a.keys().map(|key| (share(a, key, total_a) - share(b, key, total_b)).abs()).sum();
    let only_b: f64 = b.keys().filter(|key| !a.contains_key(key)).map(|key| share(b, key, total_b)).sum();
    Some(in_a + only_b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_distances() {
        assert_eq!(ks_distance(vec![1.0, 2.0], vec![2.0, 1.0]), Some(0.0));
        assert_eq!(ks_distance(vec![1.0, 2.0], vec![3.0]), Some(1.0));
        assert_eq!(ks_distance(vec![1.0, 1.0, 1.0, 2.0], vec![1.0, 2.0, 2.0, 2.0]), Some(0.5));
        assert_eq!(ks_distance(vec![], vec![1.0]), None);
        let mix = |pairs: &[(char, u64)]| pairs.iter().copied().collect::<BTreeMap<_, _>>();
        assert_eq!(l1_distance(&mix(&[('a', 1)]), &mix(&[('b', 5)])), Some(2.0));
        assert_eq!(l1_distance(&mix(&[('a', 1), ('b', 1)]), &mix(&[('a', 5)])), Some(1.0));
        assert_eq!(l1_distance(&mix(&[('a', 2), ('b', 2)]), &mix(&[('a', 5), ('b', 5)])), Some(0.0));
    }

    proptest! {
        #[test]
        fn ks_is_the_largest_difference_by_definition(a in prop::collection::vec(0u8..20, 1..30), b in prop::collection::vec(0u8..20, 1..30)) {
            let below = |v: &[u8], at: u8| v.iter().filter(|x| **x <= at).count() as f64 / v.len() as f64;
            let naive = (0..20).map(|at| (below(&a, at) - below(&b, at)).abs()).fold(0.0, f64::max);
            let floats = |v: &[u8]| v.iter().map(|x| f64::from(*x)).collect();
            prop_assert!((ks_distance(floats(&a), floats(&b)).unwrap() - naive).abs() < 1e-12);
        }
    }
}
