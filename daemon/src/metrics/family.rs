//! Building a family at scrape time.

use prometheus::core::Desc;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

/// A family that is being filled in.
#[derive(Debug)]
pub struct Family {
    family: MetricFamily,
    kind: MetricType,
    rows: Vec<Metric>,
}

impl Family {
    /// A counter.
    pub fn counter(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::COUNTER)
    }

    /// A gauge.
    pub fn gauge(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::GAUGE)
    }

    /// A histogram.
    pub fn histogram(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::HISTOGRAM)
    }

    fn new(name: &str, help: &str, kind: MetricType) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Self {
            family,
            kind,
            rows: Vec::new(),
        }
    }

    /// Adds a series.
    #[must_use]
    pub fn with(mut self, labels: &[(&str, &str)], value: f64) -> Self {
        self.push(labels, value);
        self
    }

    /// Adds a series.
    pub fn push(&mut self, labels: &[(&str, &str)], value: f64) {
        let mut row = row(labels);
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            row.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            row.set_gauge(gauge);
        }
        self.rows.push(row);
    }

    /// Adds a series unless nothing was ever counted in it.
    pub fn push_moved(&mut self, labels: &[(&str, &str)], count: u64) {
        if count > 0 {
            self.push(labels, number(count));
        }
    }

    /// Adds a series of a histogram: the count of each bucket alone, the last of them past the last
    /// bound, and the sum, in units of which `scale` make one of the unit that is served.
    pub fn push_histogram(
        &mut self,
        labels: &[(&str, &str)],
        bounds: &[u64],
        scale: f64,
        buckets: &[u64],
        sum: u64,
    ) {
        let mut histogram = Histogram::default();
        let mut count = 0;
        let mut served = Vec::with_capacity(bounds.len());
        for (bound, alone) in bounds.iter().zip(buckets) {
            count += alone;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(number(*bound) / scale);
            bucket.set_cumulative_count(count);
            served.push(bucket);
        }
        histogram.set_bucket(served);
        histogram.set_sample_count(buckets.iter().sum());
        histogram.set_sample_sum(number(sum) / scale);
        let mut row = row(labels);
        row.set_histogram(histogram);
        self.rows.push(row);
    }

    /// The family, `None` while it has no series (the text format has no room for such).
    pub fn finish(mut self) -> Option<MetricFamily> {
        if self.rows.is_empty() {
            return None;
        }
        self.family.set_metric(self.rows);
        Some(self.family)
    }
}

fn row(labels: &[(&str, &str)]) -> Metric {
    let mut pairs: Vec<LabelPair> = labels
        .iter()
        .map(|(name, value)| pair(name, value))
        .collect();
    pairs.sort_by(|one, other| one.name().cmp(other.name()));
    let mut row = Metric::default();
    row.set_label(pairs);
    row
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// A count as Prometheus holds it.
#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus samples are doubles; exact up to 2^53"
)]
pub fn number(count: u64) -> f64 {
    count as f64
}

/// A description to register a collector under; it only has to be unique.
pub fn describe(name: &str) -> Option<Desc> {
    Desc::new(
        name.to_owned(),
        "Families of this collector.".to_owned(),
        Vec::new(),
        std::collections::HashMap::new(),
    )
    .ok()
}
