//! What a policy for the node must not do to its operator: cut the connection it came by, stay when
//! nobody confirms it, or stand in the way of the switch that puts such policies out of force.

mod support;

use std::process::Child;

use flowd_proto::flow::agent_event::Notification;
use flowd_proto::flowd::v1::{BreakGlassAction, timeline_event::What};
use flowd_testbed::{
    GATEWAY_V4,
    traffic::{Conversation, TcpEcho},
};
use support::edge::{Edge, SSH, WEB, any, connects, nobody, policy, reason};
use support::{PATIENCE, Scene, eventually, flow_of, put, when};

/// What serves a session is no process of the test's, whose own connections are kept like those of
/// any ancestor of whoever makes a change.
const SESSION: &str = "use IO::Socket::INET; $s = IO::Socket::INET->new(Listen => 5, LocalPort => \
    2222, ReuseAddr => 1) or die; while ($c = $s->accept) { if (!fork) { while (sysread($c, $b, \
    4096)) { syswrite($c, $b) } exit } close $c }";
const SESSIONS: u16 = 2222;

struct Sessions(Child);

impl Sessions {
    fn start(edge: &Edge) -> Self {
        let server = edge.node().command("perl").args(["-e", SESSION]).spawn();
        let server = Self(server.expect("perl runs"));
        eventually("sessions are served", || {
            let up = connects(&edge.outside.namespace, GATEWAY_V4.into(), SESSIONS);
            when(up, up)
        });
        server
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The timeline of the daemon that runs has these switches of the glass, in its own words, in Hubble's
/// and on the screen.
fn told(scene: &Scene, switches: &[bool]) {
    let api = scene.api();
    eventually("the timeline has it", || {
        let glass = api.timeline().into_iter().filter_map(|event| {
            let Some(What::BreakGlass(glass)) = event.what else {
                return None;
            };
            Some(glass)
        });
        let glass: Vec<_> = glass.collect();
        let on: Vec<_> = glass.iter().map(|glass| glass.on).collect();
        let since = glass.iter().all(|glass| glass.on == glass.since.is_some());
        when(on == switches && since, glass)
    });
    let names = switches.iter().map(|on| {
        if *on {
            "break-glass-on"
        } else {
            "break-glass-off"
        }
    });
    let names: Vec<_> = names.collect();
    let agent = api.agent_events().into_iter().filter_map(|event| {
        let Some(Notification::Unknown(unknown)) = event.notification else {
            return None;
        };
        Some(unknown.r#type)
    });
    let agent: Vec<_> = agent
        .filter(|name| name.starts_with("break-glass"))
        .collect();
    assert_eq!(agent, names);
    let lines = scene.lines(&["observe", "agent-events", "--last", "1000"]);
    let shown = lines.iter().filter(|line| line.contains(": break-glass-"));
    assert_eq!(shown.count(), switches.len(), "{lines:#?}");
}

#[test]
fn the_operators_connection_is_kept_over_a_policy_that_cuts_it_and_over_a_crash() {
    let mut edge = Edge::launched();
    let _sessions = Sessions::start(&edge);
    let mut session = edge.talk(SESSIONS);
    let own = session.local_address().expect("an address");
    let named = |port| format!("{} {port} {GATEWAY_V4} {SESSIONS}", own.ip());
    let answer = edge
        .scene
        .api()
        .apply_from(&named(own.port()), &nobody(), 0);
    let answer = answer.expect("applied");
    assert_eq!(answer.kept.len(), 1, "{answer:?}");
    assert_eq!(answer.kept[0].own, format!("{GATEWAY_V4}:{SESSIONS}"));
    assert!(session.say(b"still here", PATIENCE).expect("open"));
    assert!(
        !connects(&edge.outside.namespace, GATEWAY_V4.into(), SESSIONS),
        "another one"
    );
    let told = flow_of("tcp").source_port(own.port()).ingress().forwarded();
    eventually("the flow says why it passes", || {
        let reasons: Vec<String> = edge.scene.flows(&told).iter().map(reason).collect();
        when(reasons.contains(&"operator_guard".to_owned()), reasons)
    });

    edge.scene.flowd.kill9().expect("killed");
    assert!(session.say(b"nobody is there", PATIENCE).expect("open"));
    edge.scene.launch();
    assert!(session.say(b"somebody is", PATIENCE).expect("open"));
    // A change made from elsewhere cuts it no more than the first one did.
    let other = policy("ingress: [{fromCIDR: [192.0.2.1/32]}]");
    let answer = edge.scene.api().apply(&other, 0).expect("applied");
    assert!(answer.kept.is_empty(), "{answer:?}");
    assert!(
        answer
            .notes
            .iter()
            .any(|note| note.contains("no connection of yours")),
        "{answer:?}"
    );
    assert!(session.say(b"still", PATIENCE).expect("open"));
    let kept = || {
        edge.scene
            .api()
            .status()
            .expect("a status")
            .host
            .unwrap_or_default()
            .kept
    };
    assert_eq!(kept().len(), 1);
    drop(session);
    eventually("nothing is kept", || when(kept().is_empty(), kept()));
    // What only says that it is a session is not kept.
    let answer = edge
        .scene
        .api()
        .apply_from(&named(1), &nobody(), 0)
        .expect("applied");
    assert!(answer.kept.is_empty(), "{answer:?}");
}

#[test]
fn the_connection_of_a_process_above_the_one_that_asks_is_kept() {
    let edge = Edge::launched();
    let mut session = edge.talk(SSH);
    // As in a shell whose session this process serves.
    let file = edge.scene.directory.path().join("edge.yaml");
    put(&file, &nobody());
    let file = file.display().to_string();
    let said = edge
        .scene
        .lines(&["policy", "apply", "-f", &file])
        .join("\n");
    let own = session.local_address().expect("an address");
    assert!(
        said.contains(&format!(
            "whatever the policies say: {own} to {GATEWAY_V4}:22"
        )),
        "{said}"
    );
    assert!(session.say(b"still here", PATIENCE).expect("open"));
    assert_eq!(edge.reaches(SSH), [false; 2]);
}

#[test]
fn a_broken_glass_stays_broken_until_it_is_mended() {
    use BreakGlassAction::{BreakGlassOff, BreakGlassOn};
    let mut edge = Edge::launched();
    let _far = TcpEcho::start(&edge.outside.namespace, any(), WEB).expect("listens");
    edge.scene.api().apply(&nobody(), 0).expect("applied");
    assert_eq!(edge.reaches(SSH), [false; 2]);
    assert!(edge.scene.api().break_glass(BreakGlassOn).break_glass);
    assert_eq!(edge.reaches(SSH), [true; 2]);
    let status = edge.scene.api().status().expect("a status");
    assert!(
        status.problems[0].starts_with("BREAK-GLASS is on since"),
        "{:?}",
        status.problems
    );
    assert!(status.endpoints.iter().all(|host| host.mode == "off"));
    let metrics = edge.scene.flowd.metrics().expect("metrics");
    assert!(metrics.sum("flowd_host_break_glass", &[]) > 0.5);
    told(&edge.scene, &[true]);

    edge.scene.flowd.kill9().expect("killed");
    assert_eq!(edge.reaches(SSH), [true; 2]);
    edge.scene.launch();
    assert_eq!(edge.reaches(SSH), [true; 2]);
    // Whom the host has called meanwhile may answer afterwards.
    let mut call = Conversation::open(edge.node(), edge.outside.ipv4, WEB, PATIENCE).expect("open");
    assert!(!edge.scene.api().break_glass(BreakGlassOff).break_glass);
    assert_eq!(edge.reaches(SSH), [false; 2]);
    assert!(call.say(b"hello", PATIENCE).expect("open"));
    told(&edge.scene, &[true, false]);

    edge.scene.flowd.kill9().expect("killed");
    edge.offline("on");
    assert_eq!(edge.reaches(SSH), [true; 2], "without a daemon");
    edge.offline("off");
    assert_eq!(
        edge.reaches(SSH),
        [true; 2],
        "nobody has learned what was opened"
    );
    edge.scene.launch();
    assert_eq!(edge.reaches(SSH), [false; 2]);
    let metrics = edge.scene.flowd.metrics().expect("metrics");
    assert!(metrics.sum("flowd_host_break_glass", &[]) < 0.5);
}

#[test]
fn a_policy_nobody_confirms_is_undone_also_by_the_next_daemon() {
    let mut edge = Edge::launched();
    let answer = edge.scene.api().apply(&nobody(), 2).expect("applied");
    assert_eq!(edge.reaches(SSH), [false; 2]);
    edge.scene.flowd.kill9().expect("killed");
    assert_eq!(edge.reaches(SSH), [false; 2]);
    let undone_at = answer.undone_at.expect("a time").unix_nanos();
    eventually("its time is over", || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        when(
            now.expect("after 1970").as_nanos() > u128::from(undone_at),
            "not yet",
        )
    });
    edge.scene.launch();
    assert_eq!(edge.reaches(SSH), [true; 2]);
}
