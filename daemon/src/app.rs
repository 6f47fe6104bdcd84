//! Builds the parts, starts them, and stops them in the reverse order.

mod signals;

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use anyhow::Context as _;

use crate::{
    access::{Gate, audit::Audit},
    applied::{self, Applied},
    clock,
    config::{Config, Reloadable},
    doors::{Doors, Renew, token},
    endpoints,
    enrich::{Directory, DirectoryHandle},
    flow::{self, Happening, Pipeline, Timeline},
    guard::{
        Addresses, Applier, Board, Control, HostSide, Ledger, Nudge, Parts, Prepared, Pulse,
        Reader, watch_processes,
    },
    kernel::{
        Attachments, Kernel,
        bpffs::{Lock, Pins},
        counters::Counters,
        events,
        namespace::Namespace,
        rings::Rings,
        sweep::Sweep,
        tables::Tables,
    },
    metrics::{FlowMetrics, Metrics, doors::DoorCollector, exporters::ExportCollector},
    modes::ModeStore,
    observe::{CLUSTER, filter, uuid::Boot},
    reload::Reload,
    resolve::{Numbers, Resolver},
    serve::{self, Door, Sources, grpc, stop},
    sources::{Source, Watch},
    threads::spawn,
};

use signals::signal;

/// A running daemon.
pub struct App {
    config: Config,
    sources: Sources,
    metrics: Metrics,
    stopper: stop::Stopper,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    pulses: Vec<Pulse>,
    wake: mpsc::Sender<()>,
    door: grpc::PolicyDoor,
    aggregates: grpc::AggregateDoor,
    board: Board,
    _watch: Option<Watch>,
    _lock: Lock,
}

impl App {
    /// Loads or adopts the kernel side, enforces what the files say, and starts the threads. No
    /// server runs yet.
    ///
    /// # Errors
    ///
    /// When the kernel side cannot be set up or the state cannot be read.
    pub fn start(config: Config) -> anyhow::Result<Self> {
        let pins = Pins::open(&config.bpffs)?;
        let lock = Lock::take(&config.bpffs)?;
        fs::create_dir_all(&config.state)
            .with_context(|| format!("state directory {}", config.state.display()))?;
        let started = clock::now();
        let board = Board::new(started);
        let (writer, log) = flow::log::new(config.flow_log_capacity);
        let version = crate::observe::flow::VERSION.to_owned();
        log.timeline().tell(started, Happening::Started { version });
        let directory = DirectoryHandle::new(Directory {
            node_name: config.node_name.clone(),
            ..Directory::default()
        });
        let boot = Boot::random();
        let asked = filter::Context {
            directory: directory.clone(),
            boot,
            scope: Default::default(),
        };
        let flows = FlowMetrics::new(&config.counting, &asked).context("metrics.plugins")?;
        let flows = Arc::new(flows);
        let (stopper, stop) = stop::stop();
        let sources = Sources {
            log: log.clone(),
            directory: directory.clone(),
            policies: Default::default(),
            status: board.handle(),
            flows: Arc::clone(&flows),
            boot,
            stop,
            gate: gate(&config.reloadable)?,
            exports: Default::default(),
        };
        let stopping = Arc::new(AtomicBool::new(false));
        let (wake, woken) = mpsc::channel();
        let dropping = Prepared::new(&config.kernel_drops, &namespace(&config));
        let mut side = KernelSide::load(&config, pins, &dropping)?;
        let times = (&config.timeouts, config.update_interval);
        let (keeper, dropped) = dropping
            .watch(&side.kernel, &side.pins, times, &board)
            .unzip();
        let watching =
            watch_processes(&side.kernel, &config.processes, &side.pins, flows.owners())?;
        let reader = Reader::new(
            side.rings.take().context("the rings are taken once")?,
            Pipeline::new(writer, Arc::clone(&flows)).with_owners(watching.events),
            directory.clone(),
        );
        let ledger = Ledger::new(
            Arc::clone(&side.kernel),
            Arc::clone(&side.sweep),
            side.counters
                .take()
                .context("the counters are taken once")?,
            board.clone(),
        )
        .with_sockets(watching.counter, Arc::clone(flows.owners()))
        .with_kernel_drops(keeper);
        let path = config.state.join("applied");
        let applied =
            Applied::open(&path).with_context(|| format!("directory {}", path.display()))?;
        let view = sources.policies.clone();
        let sweep = Arc::clone(&side.sweep);
        let host = HostSide::new(
            config.host.clone(),
            &config.state,
            namespace(&config),
            sweep,
        );
        let path = config.state.join("modes.json");
        let modes = ModeStore::open(&path)
            .with_context(|| format!("{}; move it away to forget the modes", path.display()))?;
        let door = grpc::PolicyDoor {
            applied: applied.clone(),
            modes: modes.clone(),
            nudge: Nudge::new(wake.clone(), board.turns()),
            operator: host.operator.clone(),
            glass: host.glass.clone(),
            sweep: Arc::clone(&side.sweep),
        };
        let aggregates = grpc::AggregateDoor::new(&side.sweep, watching.entries);
        let published = Published {
            directory,
            view,
            board: board.clone(),
            timeline: log.timeline().clone(),
            tallies: flows.shadows().clone(),
            dropped,
        };
        let mut control = side.control(&config, published, (applied, modes), host)?;
        control.turn();
        let pulses = ["reader", "ledger", "control"].map(Pulse::new);
        let [reading, keeping, controlling] = pulses.clone();
        let threads = vec![
            spawn("reader", &stopping, move |stop| reader.run(&stop, &reading))?,
            spawn("ledger", &stopping, move |stop| ledger.run(&stop, &keeping))?,
            spawn("control", &stopping, move |stop| {
                control.run(&woken, &stop, &controlling)
            })?,
        ];
        let watch = watch(&config, wake.clone());
        watch_devices(&config, wake.clone());
        let metrics = Metrics::new(flows, log, board.handle())?
            .also(Box::new(DoorCollector::new(sources.gate.clone())))?
            .also(Box::new(ExportCollector::new(
                sources.exports.clone(),
                sources.log.clone(),
            )))?;
        Ok(Self {
            config,
            sources,
            metrics,
            stopper,
            stopping,
            threads,
            pulses: pulses.into(),
            door,
            aggregates,
            wake,
            board,
            _watch: watch,
            _lock: lock,
        })
    }

    /// Serves until a signal asks to stop, then ends the streams, the servers and the threads.
    /// Enforcement stays as it is.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on.
    pub async fn serve(self) -> anyhow::Result<()> {
        let doors = Doors::open(&self.config).await?;
        let token = token(&self.config.state)?;
        doors.announce(&self.config.state)?;
        let limits = &self.config.reloadable.limits;
        let options = grpc::Options {
            max_request: limits.message_bytes as usize,
            address: doors.relay_address(&self.config),
            tls_server_name: self.config.observe.relay_server_name(
                doors.tls.is_some(),
                &self.config.node_name,
                CLUSTER,
            ),
            hubble_server_version: self.config.observe.hubble_server_version.clone(),
            policies: Some(self.door.clone()),
            aggregates: Some(self.aggregates.clone()),
        };
        let routes = grpc::routes(&self.sources, &options).await?;
        let sources = &self.sources;
        let unix = async {
            let served = grpc::serve(Door::Unix(doors.unix), routes.clone(), sources).await;
            served.context("the gRPC socket")
        };
        let tcp = async {
            match doors.tcp {
                Some(door) => grpc::serve(door, routes.clone(), sources)
                    .await
                    .context("the gRPC port"),
                None => Ok(()),
            }
        };
        let web = async {
            let served = serve::web::serve(doors.web, sources.clone(), &token).await;
            served.context("the web page")
        };
        let metrics = async {
            let routes = serve::metrics::routes(
                self.metrics.clone(),
                sources.status.clone(),
                self.pulses.clone(),
            );
            let served = serve::metrics::serve(doors.metrics, routes, sources.stop.clone()).await;
            served.context("the metrics")
        };
        let reload = Reload::new(self.config.file.clone(), sources.clone());
        let reload = async {
            let run = reload.run(sources.stop.clone()).await;
            run.context("reloading the configuration")
        };
        for problem in sources
            .exports
            .apply(&self.config.reloadable.export, sources)
        {
            tracing::error!("{problem}");
        }
        let renew = Renew {
            file: self.config.file.clone(),
            now: self.config.reloadable.clone(),
            tls: doors.tls,
            sources: sources.clone(),
            board: self.board.clone(),
        };
        let renew = async {
            tokio::select! {
                failed = renew.run() => failed.context("reading files again"),
                () = sources.stop.clone().wait() => Ok(()),
            }
        };
        let stopper = &self.stopper;
        let signal = async {
            let name = signal().await;
            tracing::info!(signal = name, "stopping; enforcement stays");
            stopper.stop();
            Ok(())
        };
        // A door that fails ends the daemon, so that whoever keeps it running knows.
        tokio::try_join!(signal, unix, tcp, web, metrics, reload, renew)?;
        drop(doors.file);
        let exports = self.sources.exports.clone();
        self.stop_threads();
        // After the last flow was told, so that it is exported as well.
        exports.stop();
        Ok(())
    }

    fn stop_threads(self) {
        self.stopping.store(true, Ordering::Relaxed);
        // The control loop may be gone already, which is what is asked for.
        let _ = self.wake.send(());
        for thread in self.threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a thread had panicked");
            }
        }
    }
}

/// Where the control loop says how it goes.
struct Published {
    directory: DirectoryHandle,
    view: crate::why::PolicyViewHandle,
    board: Board,
    timeline: Timeline,
    tallies: crate::shadow::Tallies,
    dropped: Option<Addresses>,
}

/// What was taken out of the loaded object.
struct KernelSide {
    kernel: Arc<Mutex<Kernel>>,
    sweep: Arc<Mutex<Sweep>>,
    tables: Option<Tables>,
    rings: Option<Rings>,
    counters: Option<Counters>,
    pins: Pins,
}

impl KernelSide {
    fn load(config: &Config, pins: Pins, watching: &Prepared) -> anyhow::Result<Self> {
        let adopted = pins.map("CONNECTIONS").exists();
        let mut sizes = config.sizes;
        if config.processes.group().is_some() {
            sizes.sockets = config.processes.sockets;
        }
        let layout = watching.load(&config.kernel_drops, &mut sizes);
        let mut kernel = Kernel::load_for(&sizes, &config.timeouts, Some(&pins), &layout)?;
        let tables = Tables::take(&mut kernel)?;
        let rings = Rings::take(&mut kernel)?;
        let counters = Counters::take(&mut kernel)?;
        let sweep = Sweep::take(&mut kernel, config.timeouts, config.update_interval)?;
        tracing::info!(adopted, "programs and tables loaded");
        Ok(Self {
            kernel: Arc::new(Mutex::new(kernel)),
            sweep: Arc::new(Mutex::new(sweep)),
            tables: Some(tables),
            rings: Some(rings),
            counters: Some(counters),
            pins,
        })
    }

    fn control(
        &mut self,
        config: &Config,
        published: Published,
        (applied, modes): (Applied, ModeStore),
        host: HostSide,
    ) -> anyhow::Result<Control> {
        let namespace = namespace(config);
        let tables = self.tables.take().context("the tables are taken once")?;
        let attachments = Attachments::new(namespace.clone(), self.pins.clone(), config.attach);
        let applier = Applier::adopt(
            Arc::clone(&self.kernel),
            Arc::clone(&self.sweep),
            tables,
            attachments,
        )?;
        let path = config.state.join("numbers.json");
        let inherited = applier.inherited();
        let mut numbers = Numbers::load(&path)
            .with_context(|| format!("{}; move it away to start with new numbers", path.display()))?
            .unwrap_or_else(|| fresh_numbers(inherited));
        if numbers.outgrow(&applier.used(), seconds()) {
            tracing::warn!(
                path = %path.display(),
                "the tables hold numbers that were never saved; going on above them"
            );
        }
        tracing::info!(
            endpoints = inherited,
            "workloads guarded by an earlier daemon"
        );
        let good = config.state.join("last-good");
        Ok(Control::new(Parts {
            host,
            options: config.policy,
            endpoints: Source::new(
                config.endpoints.clone(),
                good.join("endpoints"),
                |file, text| {
                    let specs = endpoints::parse(file, text)?;
                    Ok(specs.into_iter().map(Arc::new).collect())
                },
            ),
            applied_files: Source::new(
                applied.directory().to_owned(),
                good.join("applied"),
                |file, text| applied::read(file, text).map(|contents| vec![contents]),
            ),
            applied,
            modes,
            policies: Source::new(
                config.policies.clone(),
                good.join("policies"),
                |file, text| flowd_policy::read(file, text).map(|contents| vec![contents]),
            ),
            namespace,
            resolver: Resolver::new(numbers).on_node(&config.host.labels),
            applier,
            directory: published.directory,
            view: published.view,
            board: published.board,
            timeline: published.timeline,
            numbers: path,
            node_name: config.node_name.clone(),
            tallies: published.tallies,
            dropped: published.dropped,
            look: config.look,
        }))
    }
}

/// The gate as the configuration wants it.
fn gate(config: &Reloadable) -> anyhow::Result<Gate> {
    let audit = Audit::start(&config.audit).context("the audit log")?;
    Gate::new(&config.access, &config.limits, audit).map_err(anyhow::Error::msg)
}

fn namespace(config: &Config) -> Namespace {
    let netns = config.netns.as_deref();
    netns.map_or_else(Namespace::own, Namespace::at)
}

/// Numbers that no earlier daemon can have handed out whose state was lost but whose tables still
/// guard workloads: they grow with time.
fn fresh_numbers(inherited: usize) -> Numbers {
    if inherited == 0 {
        return Numbers::fresh(0);
    }
    Numbers::fresh(seconds())
}

fn seconds() -> u32 {
    u32::try_from(clock::realtime() / 1_000_000_000).unwrap_or(1)
}

fn watch(config: &Config, wake: mpsc::Sender<()>) -> Option<Watch> {
    match Watch::start(&[&config.policies, &config.endpoints], wake) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, "directories cannot be watched; they are re-read every two seconds");
            None
        }
    }
}

fn watch_devices(config: &Config, wake: mpsc::Sender<()>) {
    if let Err(error) = events::watch(&namespace(config), wake) {
        tracing::warn!(%error, "devices cannot be watched; they are looked at now and then");
    }
}
