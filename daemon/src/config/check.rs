//! What cannot work in a configuration, all of it at once.

use super::Config;

impl Config {
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = [self.reloadable.problems(), self.observe.problems()].concat();
        let mut check = |good: bool, problem: String| {
            if !good {
                problems.push(problem);
            }
        };
        check(
            self.web.ip().is_loopback(),
            format!(
                "web: {} is not a loopback address; it is not encrypted",
                self.web
            ),
        );
        let secured = self.reloadable.tls.is_some();
        let listen = self.listen;
        check(
            listen.is_none_or(|address| secured || address.ip().is_loopback()),
            format!(
                "listen: {} is not a loopback address; give the file a section tls",
                listen.map_or_else(String::new, |address| address.to_string())
            ),
        );
        check(
            !secured || listen.is_some(),
            "tls: there is no TCP address to speak it at; set listen".to_owned(),
        );
        let ring = self.sizes.ring_bytes;
        check(
            ring.is_power_of_two() && (65_536..=1 << 30).contains(&ring),
            format!("sizes.ring_bytes: {ring} is not a power of two between 65536 and 1073741824"),
        );
        let sizes = &self.sizes;
        for (name, size) in [
            ("endpoints", sizes.endpoints),
            ("peers", sizes.peers),
            ("policy", sizes.policy),
            ("connections", sizes.connections),
            ("denied", sizes.denied),
            ("fragments", sizes.fragments),
        ] {
            check(
                (64..=16_777_216).contains(&size),
                format!("sizes.{name}: {size} is not between 64 and 16777216"),
            );
        }
        let kernel_drops = self.kernel_drops.problem();
        check(kernel_drops.is_none(), kernel_drops.unwrap_or_default());
        let timeouts = &self.timeouts;
        for (name, seconds) in [
            ("update_interval", self.update_interval),
            (
                "control.look_interval",
                u32::try_from(self.look.as_secs()).unwrap_or(u32::MAX),
            ),
            ("timeouts.tcp_new", timeouts.tcp_new),
            ("timeouts.tcp_established", timeouts.tcp_established),
            ("timeouts.tcp_closing", timeouts.tcp_closing),
            ("timeouts.other", timeouts.other),
            ("timeouts.icmp", timeouts.icmp),
            ("timeouts.denied", timeouts.denied),
            ("timeouts.fragment", timeouts.fragment),
        ] {
            check(seconds >= 1, format!("{name}: must be at least 1 second"));
        }
        check(
            (1024..=16_777_216).contains(&self.flow_log_capacity),
            format!(
                "flow_log_capacity: {} is not between 1024 and 16777216",
                self.flow_log_capacity
            ),
        );
        let filter = tracing_subscriber::EnvFilter::try_new(&self.log);
        check(
            filter.is_ok(),
            format!("log: {} is no log filter", self.log),
        );
        problems.extend(self.processes.problem());
        problems
    }
}
