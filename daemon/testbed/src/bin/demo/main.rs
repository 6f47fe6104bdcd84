//! The demo: a small shop under a policy, with real traffic, real drops, and every verdict on the screen.
//!
//! `DEMO_SECONDS=20` runs that long and ends with a summary; without it the demo runs until Ctrl-C.
//! `DEMO_DIR=path` says where its files go. It exits with 1 if anything was not as the policy says.

mod errand;
mod expect;
mod flows;
mod ledger;
mod place;
mod plan;
mod settings;
mod shop;
mod stop;
mod summary;
mod watch;

use std::process::ExitCode;

use anyhow::Result;
use flowd_testbed::Flowd;

use place::Place;
use settings::Settings;
use shop::Shop;
use stop::Stop;
use watch::Watch;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Values are dropped in reverse order: traffic, daemon, namespaces, files.
fn run() -> Result<bool> {
    let stop = Stop::on_signals()?;
    let settings = Settings::from_environment()?;
    let place = Place::open(settings.directory.as_deref())?;
    println!("Demo directory: {}", place.path().display());

    let shop = Shop::open()?;
    let mut flowd = Flowd::builder(&shop.testbed, place.path()).prepare()?;
    for pod in shop.pods() {
        flowd.write_endpoint(pod)?;
    }
    flowd.write_policy("shop", plan::POLICY)?;
    let rules = place.rules()?;
    flowd.launch()?;
    let watch = Watch::start(&flowd, settings.seconds)?;

    let errands = errand::start(&shop, plan::errands(), &stop)?;
    let edited = stop.wait(settings.seconds, || {
        place.rules().is_ok_and(|now| now != rules)
    });
    stop.set();
    println!("\nEnding the traffic …");
    let results = errand::finish(errands);
    drop(watch);
    let evidence = summary::gather(&flowd, &shop, &results, edited);
    Ok(summary::print(&results, &evidence, edited))
}
