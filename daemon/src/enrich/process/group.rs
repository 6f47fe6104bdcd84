//! From the control groups of a process to its unit and its container.

use super::owner::Details;

/// Shortest id a container has: runtimes use 64 hexadecimal digits, and show 12.
const ID: usize = 64;

/// Reads `/proc/PID/cgroup` (cgroups(7)): `hierarchy:controllers:path` lines.
pub(super) fn read(text: &str, details: &mut Details) {
    let paths: Vec<&str> = text
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .collect();
    let unified = text.lines().find_map(|line| line.strip_prefix("0::"));
    let named = paths.iter().copied().find(|path| *path != "/");
    let own = unified.filter(|path| *path != "/").or(named).or(unified);
    own.unwrap_or_default().clone_into(&mut details.cgroup);
    let unit = paths.iter().find_map(|path| unit(path));
    unit.unwrap_or_default().clone_into(&mut details.unit);
    let container = paths.iter().find_map(|path| container(path));
    container
        .unwrap_or_default()
        .clone_into(&mut details.container);
}

/// The innermost unit that runs processes.
fn unit(path: &str) -> Option<&str> {
    path.rsplit('/')
        .find(|part| part.ends_with(".service") || part.ends_with(".scope"))
}

/// The innermost part that is a container's id, alone or as `docker-ID.scope`,
/// `cri-containerd-ID.scope`, `libpod-ID.scope`, `crio-ID.scope`.
fn container(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let id = part.rsplit(['-', ':']).next()?;
        let is_id = id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (String, String, String) {
        let mut details = Details::default();
        read(text, &mut details);
        (details.cgroup, details.unit, details.container)
    }

    #[test]
    fn units_and_containers_are_found() {
        let id = "0123456789abcdef".repeat(4);
        let (group, unit, container) = of("0::/system.slice/nginx.service\n");
        assert_eq!(
            (group.as_str(), unit.as_str(), container.as_str()),
            ("/system.slice/nginx.service", "nginx.service", "")
        );
        let (_, unit, container) = of(&format!("0::/system.slice/docker-{id}.scope\n"));
        assert_eq!(unit, format!("docker-{id}.scope"));
        assert_eq!(container, id);
        let (_, unit, container) = of(&format!("0::/kubepods/burstable/pod1/{id}\n"));
        assert_eq!((unit.as_str(), container), ("", id.clone()));
        let (group, _, container) = of(&format!("4:memory:/docker/{id}\n0::/\n"));
        assert_eq!(container, id);
        assert_eq!(group, format!("/docker/{id}"));
        assert_eq!(of("0::/\n").0, "/");
        assert_eq!(of(""), Default::default());
        assert_eq!(of("0::/a/b-0123.scope\n").2, "");
    }
}
