//! Policies in a running daemon: applied, confirmed, deleted, listed.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flowd_proto::flowd::v1::policies_client::PoliciesClient;
use flowd_proto::flowd::v1::{
    ApplyRequest, ApplyResponse, ConfirmRequest, DeleteRequest, ListRequest, PolicyObject,
};

use crate::args::{ApplyArgs, ServerArgs, TestOutput};
use crate::commands::{channel, host, print, print_json, ssh_connection, unary};
use crate::failure::Failure;
use crate::print::{clean, columns, shadow_counts};

pub(super) async fn apply(server: &ServerArgs, args: &ApplyArgs) -> Result<(), Failure> {
    let confirm = args.confirm.unwrap_or_default();
    let confirm_seconds = u32::try_from(confirm.as_secs()).unwrap_or(u32::MAX);
    if args.confirm.is_some() && confirm_seconds == 0 {
        return Err(Failure::Usage(
            "--confirm needs at least one second".to_owned(),
        ));
    }
    let request = ApplyRequest {
        yaml: texts(&args.files)?,
        confirm_seconds,
        dry_run: args.dry_run,
        ssh_connection: ssh_connection(),
        shadow: args.shadow,
    };
    let mut client = client(server).await?;
    // Not a single answer's deadline: it comes when the policies are enforced.
    let answer = client.apply(request).await?.into_inner();
    print(applied(&answer, args).as_bytes())
}

fn applied(answer: &ApplyResponse, args: &ApplyArgs) -> String {
    let verb = match (args.dry_run, args.shadow) {
        (true, _) => "valid",
        (false, true) => "applied as shadow",
        (false, false) => "applied",
    };
    let mut text = String::new();
    for object in &answer.applied {
        text.push_str(&format!("{verb} {}\n", clean(object)));
    }
    for note in &answer.notes {
        text.push_str(&format!("note: {}\n", clean(note)));
    }
    text.push_str(&host::kept(&answer.kept));
    if args.shadow && !args.dry_run {
        text.push_str("judged from now on, not enforced; see flowctl observe --shadow changed\n");
    } else if !args.dry_run {
        text.push_str(&format!(
            "enforced as of generation {}\n",
            answer.generation
        ));
    }
    if let Some(undone_at) = &answer.undone_at {
        text.push_str(&format!(
            "undone at {} unless confirmed: flowctl policy confirm {}\n",
            jiff::Timestamp::try_from(*undone_at).map_or_else(
                |_| "an unknown time".to_owned(),
                |time| time.strftime("%H:%M:%S UTC").to_string()
            ),
            clean(&answer.confirmation)
        ));
    }
    text
}

pub(super) async fn confirm(
    server: &ServerArgs,
    confirmation: Option<&str>,
) -> Result<(), Failure> {
    let request = ConfirmRequest {
        confirmation: confirmation.unwrap_or_default().to_owned(),
    };
    let answer = client(server)
        .await?
        .confirm(unary(server, request))
        .await?
        .into_inner();
    let text: String = answer
        .applied
        .iter()
        .map(|object| format!("kept {}\n", clean(object)))
        .collect();
    print(text.as_bytes())
}

pub(super) async fn delete(
    server: &ServerArgs,
    policies: &[String],
    shadow: bool,
) -> Result<(), Failure> {
    let mut client = client(server).await?;
    for policy in policies {
        let request = DeleteRequest {
            policy: policy.clone(),
            ssh_connection: ssh_connection(),
            shadow,
        };
        let answer = client.delete(request).await?.into_inner();
        let line = format!(
            "deleted {}, enforced as of generation {}\n{}",
            clean(&answer.deleted),
            answer.generation,
            host::kept(&answer.kept)
        );
        print(line.as_bytes())?;
    }
    Ok(())
}

pub(super) async fn list(server: &ServerArgs, output: TestOutput) -> Result<(), Failure> {
    let answer = client(server)
        .await?
        .list(unary(server, ListRequest {}))
        .await?
        .into_inner();
    match output {
        TestOutput::Json => print_json(&answer),
        TestOutput::Table => print(&table(&answer.policies)?),
    }
}

fn table(policies: &[PolicyObject]) -> Result<Vec<u8>, Failure> {
    let mut rows = columns();
    writeln!(rows, "POLICY\tSTATE\tFROM")?;
    for policy in policies {
        let from = match (policy.applied, &policy.undone_at) {
            (true, None) => "applied".to_owned(),
            (true, Some(_)) => "applied, waits for its confirmation".to_owned(),
            (false, _) => format!("{}:{}", policy.file, policy.line),
        };
        let state = match policy.shadow {
            true => "shadow",
            false => "enforced",
        };
        let name = full_name(policy);
        writeln!(rows, "{}\t{state}\t{}", clean(&name), clean(&from))?;
    }
    let mut text = rows
        .into_inner()
        .map_err(|error| Failure::Runtime(format!("cannot align: {error}")))?;
    for policy in policies.iter().filter(|policy| policy.shadow) {
        let said = shadow_counts(policy.shadow_counts.as_ref());
        writeln!(text, "{}: {said}", clean(&full_name(policy)))?;
    }
    Ok(text)
}

pub(super) async fn get(server: &ServerArgs, name: &str, shadow: bool) -> Result<(), Failure> {
    let answer = client(server)
        .await?
        .list(unary(server, ListRequest {}))
        .await?
        .into_inner();
    let wanted = |policy: &&PolicyObject| {
        let full = full_name(policy);
        full == name || full.ends_with(&format!("/{name}"))
    };
    let named: Vec<&PolicyObject> = answer.policies.iter().filter(wanted).collect();
    let only = shadow || named.iter().all(|policy| policy.shadow);
    let found = named.into_iter().filter(|policy| policy.shadow == only);
    let found: Vec<&PolicyObject> = found.collect();
    match found.as_slice() {
        [one] if one.applied => print(one.yaml.as_bytes()),
        [one] => Err(Failure::Runtime(format!(
            "{} was not applied; it is in {}:{} on the daemon's host",
            full_name(one),
            one.file,
            one.line
        ))),
        [] => Err(Failure::Runtime(format!("no policy is called {name}"))),
        several => {
            let names: Vec<String> = several.iter().map(|policy| full_name(policy)).collect();
            Err(Failure::Runtime(format!(
                "{name} could be {}",
                names.join(" or ")
            )))
        }
    }
}

fn full_name(policy: &PolicyObject) -> String {
    let parts = [&policy.kind, &policy.namespace, &policy.name];
    let named: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    named.join("/")
}

/// The texts of these files, as one.
pub(super) fn texts(files: &[PathBuf]) -> Result<String, Failure> {
    let texts: Vec<String> = files
        .iter()
        .map(|file| read(file))
        .collect::<Result<_, _>>()?;
    Ok(texts.join("\n---\n"))
}

fn read(file: &Path) -> Result<String, Failure> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    text.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

pub(super) async fn client(
    server: &ServerArgs,
) -> Result<PoliciesClient<crate::client::Connection>, Failure> {
    Ok(PoliciesClient::new(channel(server).await?)
        .max_decoding_message_size(crate::client::MAX_ANSWER))
}
