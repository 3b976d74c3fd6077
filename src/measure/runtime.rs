//! What a service tells of its own memory: Prometheus text or Go's `expvar`, reduced to heap, allocation and pauses.

use serde::{Deserialize, Serialize};

/// A service's runtime at one moment. None: it does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Live heap, bytes.
    pub heap: Option<f64>,
    /// Allocated since its start, bytes.
    pub allocated: Option<f64>,
    /// Allocations since its start.
    pub allocations: Option<f64>,
    /// Garbage collections since its start.
    pub collections: Option<f64>,
    /// Their pauses together, seconds.
    pub pauses: Option<f64>,
}

/// Which figure a metric is.
#[derive(Clone, Copy)]
enum Figure {
    Heap,
    Allocated,
    Allocations,
    Collections,
    Pauses,
}

/// Metrics of the usual client libraries; series of one name are added up. The first that is there counts.
const PROMETHEUS: &[(&str, &str, Figure)] = &[
    // Go: client_golang
    ("go_memstats_heap_alloc_bytes", "", Figure::Heap),
    ("go_memstats_alloc_bytes_total", "", Figure::Allocated),
    ("go_memstats_mallocs_total", "", Figure::Allocations),
    ("go_gc_duration_seconds_count", "", Figure::Collections),
    ("go_gc_duration_seconds_sum", "", Figure::Pauses),
    // JVM: Micrometer, client_java
    ("jvm_memory_used_bytes", "heap\"", Figure::Heap),
    ("jvm_gc_memory_allocated_bytes_total", "", Figure::Allocated),
    ("jvm_memory_pool_allocated_bytes_total", "", Figure::Allocated),
    ("jvm_gc_pause_seconds_count", "", Figure::Collections),
    ("jvm_gc_pause_seconds_sum", "", Figure::Pauses),
    ("jvm_gc_collection_seconds_count", "", Figure::Collections),
    ("jvm_gc_collection_seconds_sum", "", Figure::Pauses),
    // Node: prom-client
    ("nodejs_heap_size_used_bytes", "", Figure::Heap),
    ("nodejs_gc_duration_seconds_count", "", Figure::Collections),
    ("nodejs_gc_duration_seconds_sum", "", Figure::Pauses),
    // .NET: prometheus-net
    ("dotnet_total_memory_bytes", "", Figure::Heap),
    ("dotnet_collection_count_total", "", Figure::Collections),
    // Python: prometheus_client
    ("python_gc_collections_total", "", Figure::Collections),
    // Rust and C with jemalloc
    ("jemalloc_allocated_bytes", "", Figure::Heap),
];

impl Sample {
    /// Reads either form; none when the text is neither, or tells nothing that is known here.
    pub fn read(text: &str) -> Option<Sample> {
        let sample = if text.trim_start().starts_with('{') { expvar(text)? } else { prometheus(text) };
        (sample != Sample::default()).then_some(sample)
    }

    fn place(&mut self, figure: Figure) -> &mut Option<f64> {
        match figure {
            Figure::Heap => &mut self.heap,
            Figure::Allocated => &mut self.allocated,
            Figure::Allocations => &mut self.allocations,
            Figure::Collections => &mut self.collections,
            Figure::Pauses => &mut self.pauses,
        }
    }
}

fn prometheus(text: &str) -> Sample {
    let mut sample = Sample::default();
    for (name, label, figure) in PROMETHEUS {
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once('}')?,
                None => ("", rest.strip_prefix([' ', '\t'])?),
            };
            let value: f64 = value.split_ascii_whitespace().next()?.parse().ok()?;
            (labels.contains(label) && !labels.contains("nonheap\"") && value.is_finite()).then_some(value)
        });
        let all: Vec<f64> = values.collect();
        let place = sample.place(*figure);
        if place.is_none() && !all.is_empty() {
            *place = Some(all.iter().sum());
        }
    }
    sample
}

fn expvar(text: &str) -> Option<Sample> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let number = |name: &str| value.get("memstats")?.get(name)?.as_f64();
    Some(Sample {
        heap: number("HeapAlloc"),
        allocated: number("TotalAlloc"),
        allocations: number("Mallocs"),
        collections: number("NumGC"),
        pauses: number("PauseTotalNs").map(|ns| ns / 1e9),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_tells_in_both_forms() {
        let text = "# HELP go_gc_duration_seconds x\n# TYPE go_gc_duration_seconds summary\ngo_gc_duration_seconds{quantile=\"0\"} 3e-05\n\
                    go_gc_duration_seconds_sum 0.25\ngo_gc_duration_seconds_count 12\ngo_memstats_heap_alloc_bytes 1.5e+06\n\
                    go_memstats_alloc_bytes_total 9e9 1700000000\ngo_memstats_mallocs_total 77\ngo_memstats_mallocs_total_other 5\n";
        let expected = Sample {
            heap: Some(1.5e6),
            allocated: Some(9e9),
            allocations: Some(77.0),
            collections: Some(12.0),
            pauses: Some(0.25),
        };
        assert_eq!(Sample::read(text), Some(expected));
        let json = r#"{"cmdline":["x"],"memstats":{"HeapAlloc":1500000,"TotalAlloc":9000000000,"Mallocs":77,"NumGC":12,"PauseTotalNs":250000000}}"#;
        assert_eq!(Sample::read(json), Some(expected));
    }

    #[test]
    fn series_of_one_name_are_added_up() {
        let text = "jvm_memory_used_bytes{area=\"heap\",id=\"Eden\"} 10\njvm_memory_used_bytes{area=\"heap\",id=\"Old\"} 5\n\
                    jvm_memory_used_bytes{area=\"nonheap\",id=\"Code\"} 900\njvm_gc_pause_seconds_sum{a=\"}\"} 0.5\njvm_gc_pause_seconds_sum{a=\"b\"} NaN\n";
        let sample = Sample::read(text).unwrap();
        assert_eq!((sample.heap, sample.pauses, sample.allocated), (Some(15.0), Some(0.5), None));
    }

    #[test]
    fn what_tells_nothing_is_nothing() {
        for text in
            ["", "<html>", "{", "{\"memstats\":7}", "go_memstats_mallocs_total", "go_memstats_mallocs_total{", "x 1"]
        {
            assert_eq!(Sample::read(text), None, "{text}");
        }
    }
}
