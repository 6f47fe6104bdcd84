//! Attaching the two programs to a workload's host-side device or to one of the host's own, and
//! finding them again.
//!
//! On TCX (kernel 6.6) the links are pinned, one file for each device and direction, and updated
//! in place after a restart: at no moment is the device without its programs. On clsact the filter
//! stays by itself. Nobody else's program is ever touched.

use std::{fs, io, mem, path::PathBuf};

use aya::{
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        links::{FdLink, LinkError, PinnedLink},
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle},
    },
    util::KernelVersion,
};
use flowd_abi::{Endpoint, endpoint::EndpointFlags};
use thiserror::Error;

use super::{bpffs::Pins, namespace::Namespace, object::Kernel};

/// Priority and handle of our clsact filters, so that they are found again and replaced in place.
const CLSACT_PRIORITY: u16 = 0xf10;
const CLSACT_HANDLE: TcHandle = TcHandle::new(0, 1);

/// How programs are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum AttachMode {
    /// TCX where the kernel has it (6.6), else clsact.
    #[default]
    Auto,
    /// TCX.
    Tcx,
    /// clsact.
    Clsact,
}

/// Why a device could not be guarded.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The kernel refused.
    #[error("attaching to {device}: {source}")]
    Program {
        /// The device.
        device: String,
        /// What it said.
        source: ProgramError,
    },
    /// The link could not be pinned or read.
    #[error("link {}: {source}", path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] io::Error),
}

/// Whether the running kernel has TCX links.
pub fn has_tcx() -> bool {
    kernel_is_at_least(6, 6)
}

/// Whether the running kernel is of this version or a later one.
pub fn kernel_is_at_least(major: u8, minor: u8) -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(major, minor, 0))
}

/// The programs on a device's TCX hooks, ours and others', in the order they run; nothing where the
/// kernel does not tell.
pub fn programs_on(device: &str) -> Vec<(&'static str, String)> {
    [
        (TcAttachType::Ingress, "ingress"),
        (TcAttachType::Egress, "egress"),
    ]
    .into_iter()
    .flat_map(|(side, name)| {
        let (_, programs) = SchedClassifier::query_tcx(device, side).unwrap_or_default();
        programs
            .into_iter()
            .map(move |program| (name, program.name_as_str().unwrap_or("?").to_owned()))
    })
    .collect()
}

/// The attached programs of one namespace's devices.
#[derive(Clone, Debug)]
pub struct Attachments {
    namespace: Namespace,
    pins: Pins,
    tcx: bool,
}

/// Whose packets a device's programs judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those of the workload behind the device.
    Workload,
    /// The host's own.
    Host,
}

/// A program, the side of the device it sits on and the name of its pin.
type Hook = (&'static str, TcAttachType, &'static str);

impl Side {
    const BOTH: [Self; 2] = [Self::Workload, Self::Host];

    /// Whose packets these programs judge.
    pub const fn of(endpoint: &Endpoint) -> Self {
        if endpoint.has(EndpointFlags::HOST) {
            Self::Host
        } else {
            Self::Workload
        }
    }

    /// What a workload sends comes in at its device; what the host sends goes out.
    const fn hooks(self) -> [Hook; 2] {
        match self {
            Self::Workload => [
                ("from_workload", TcAttachType::Ingress, "from"),
                ("to_workload", TcAttachType::Egress, "to"),
            ],
            Self::Host => [
                ("from_host", TcAttachType::Egress, "from-host"),
                ("to_host", TcAttachType::Ingress, "to-host"),
            ],
        }
    }
}

impl Attachments {
    /// Attachments in `namespace`, pinned under `pins`.
    pub fn new(namespace: Namespace, pins: Pins, mode: AttachMode) -> Self {
        let tcx = match mode {
            AttachMode::Auto => has_tcx(),
            AttachMode::Tcx => true,
            AttachMode::Clsact => false,
        };
        Self {
            namespace,
            pins,
            tcx,
        }
    }

    /// Attaches both programs to a device, or puts the loaded ones in the place of an earlier
    /// daemon's.
    ///
    /// # Errors
    ///
    /// When the device is gone or the kernel refuses.
    pub fn attach(
        &self,
        kernel: &mut Kernel,
        device: &str,
        index: u32,
        whose: Side,
    ) -> Result<(), AttachError> {
        self.namespace.run(|| {
            for (program, side, pin) in whose.hooks() {
                if self.tcx {
                    self.attach_tcx(kernel, device, self.pin(index, pin), program, side)?;
                } else {
                    attach_clsact(kernel, device, program, side)?;
                }
            }
            Ok(())
        })?
    }

    /// Takes our programs off a device, whosever packets they judge. A device that is gone took them along.
    ///
    /// # Errors
    ///
    /// When a pin cannot be removed or the kernel refuses.
    pub fn detach(&self, device: &str, index: u32) -> Result<(), AttachError> {
        self.namespace.run(|| {
            for (program, side, pin) in Side::BOTH.into_iter().flat_map(Side::hooks) {
                let path = self.pin(index, pin);
                match fs::remove_file(&path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(AttachError::Pin { path, source }),
                }
                // Nothing to remove is what most devices of a TCX host have.
                let _ = tc::qdisc_detach_program(device, side, program);
            }
            Ok(())
        })?
    }

    /// Whether both programs are on a device's hooks. Somebody else can have taken them off. On
    /// clsact the kernel is not asked: aya cannot list filters.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered.
    pub fn are_on(&self, kernel: &mut Kernel, device: &str, whose: Side) -> io::Result<bool> {
        if !self.tcx {
            return Ok(true);
        }
        let hooks = whose.hooks();
        let ids = hooks.map(|(program, _, _)| kernel.program_id(program));
        self.namespace.run(|| {
            hooks.into_iter().zip(ids).all(|((_, side, _), id)| {
                let (_, programs) = SchedClassifier::query_tcx(device, side).unwrap_or_default();
                programs.iter().any(|program| Some(program.id()) == id)
            })
        })
    }

    /// Numbers of the devices that have a pinned link.
    pub fn pinned(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(self.pins.links()) else {
            return Vec::new();
        };
        let mut indices: Vec<u32> = entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                name.to_str()?.split('-').next()?.parse().ok()
            })
            .collect();
        indices.sort_unstable();
        indices.dedup();
        indices
    }

    fn pin(&self, index: u32, name: &str) -> PathBuf {
        self.pins.links().join(format!("{index}-{name}"))
    }

    fn attach_tcx(
        &self,
        kernel: &mut Kernel,
        device: &str,
        path: PathBuf,
        program: &str,
        side: TcAttachType,
    ) -> Result<(), AttachError> {
        let program = kernel.program(program);
        let failed = |source| AttachError::Program {
            device: device.to_owned(),
            source,
        };
        if let Some(link) = earlier(&path)? {
            if let Ok(id) = program.attach_to_link(link) {
                // The pin keeps the kernel's link; our handle on it is dropped.
                program.take_link(id).map_err(failed)?;
                return Ok(());
            }
            // The link outlived its device, whose number was given to another one.
            fs::remove_file(&path).map_err(|source| AttachError::Pin {
                path: path.clone(),
                source,
            })?;
        }
        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
        let id = program
            .attach_with_options(device, side, options)
            .map_err(failed)?;
        let link: FdLink =
            program
                .take_link(id)
                .map_err(failed)?
                .try_into()
                .map_err(|error: LinkError| AttachError::Pin {
                    path: path.clone(),
                    source: io::Error::other(error),
                })?;
        link.pin(&path).map_err(|error| AttachError::Pin {
            path,
            source: io::Error::other(error),
        })?;
        Ok(())
    }
}

/// The link an earlier daemon pinned.
fn earlier(path: &std::path::Path) -> Result<Option<SchedClassifierLink>, AttachError> {
    if !path.exists() {
        return Ok(None);
    }
    let broken = |error: LinkError| AttachError::Pin {
        path: path.to_owned(),
        source: io::Error::other(error),
    };
    let pinned = PinnedLink::from_pin(path).map_err(broken)?;
    Ok(Some(FdLink::from(pinned).try_into().map_err(broken)?))
}

fn attach_clsact(
    kernel: &mut Kernel,
    device: &str,
    program: &str,
    side: TcAttachType,
) -> Result<(), AttachError> {
    // A qdisc that is there already is one we share.
    let _ = tc::qdisc_add_clsact(device);
    let failed = |source| AttachError::Program {
        device: device.to_owned(),
        source,
    };
    let classifier = kernel.program(program);
    let options = NlOptions {
        priority: CLSACT_PRIORITY,
        handle: CLSACT_HANDLE,
        classid: None,
    };
    let attached = classifier.attach_with_options(device, side, TcAttachOptions::Netlink(options));
    let id = match attached {
        Ok(id) => id,
        // Ours is there from an earlier daemon. The handle on it is made only now: dropping one
        // detaches the filter.
        Err(_) => {
            let earlier =
                SchedClassifierLink::attached(device, side, CLSACT_PRIORITY, CLSACT_HANDLE, None)?;
            classifier.attach_to_link(earlier).map_err(failed)?
        }
    };
    // Dropping a clsact link detaches it; ours stays when the daemon goes.
    mem::forget(classifier.take_link(id).map_err(failed)?);
    Ok(())
}
