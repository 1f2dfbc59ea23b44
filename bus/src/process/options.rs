//! What a program asks of a child process besides its role: the same for one that is spawned and for one that is supervised.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use ringway_shm::sys::launch::Command;
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::cgroup::Limits;
use super::conditions::Conditions;
use super::output::Output;

/// What is asked of a child, by whoever starts it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Instead of this process's arguments.
    pub(crate) command_line: Option<Vec<OsString>>,
    /// Variables that are set or removed.
    pub(crate) env: BTreeMap<OsString, Option<OsString>>,
    pub(crate) clears_env: bool,
    pub(crate) directory: Option<PathBuf>,
    /// Instead of this process's program.
    pub(crate) executable: Option<PathBuf>,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    /// What the child does to itself.
    pub(crate) conditions: Conditions,
    /// What holds for the child and its programs together.
    pub(crate) limits: Limits,
}

/// An option that cannot be had: which one, and why.
pub(crate) type Unfit = (&'static str, String);

impl Options {
    /// The command, as far as the launcher carries it out.
    pub(super) fn command(&self) -> Result<Command, Unfit> {
        let mut command = match &self.executable {
            // What is given relative to this process's directory stays so.
            Some(path) if self.directory.is_some() => Command::new(
                std::path::absolute(path).map_err(|error| ("executable", error.to_string()))?,
            ),
            Some(path) => Command::new(path),
            None => Command::own_executable(),
        };
        match &self.command_line {
            None => command.own_args(),
            Some(arguments) => {
                for argument in arguments {
                    command.arg(argument);
                }
                &mut command
            }
        };
        if self.clears_env {
            command.env_clear();
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            let opened = open_directory(directory);
            command.directory(opened.map_err(|error| {
                let text = format!("{}: {error}", directory.display());
                ("current_dir", text)
            })?);
        }
        command.lead_group();
        Ok(command)
    }
}

fn open_directory(path: &PathBuf) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

/// The methods by which a program says what it asks of a child: of all types that have `fn options(&mut self) -> &mut Options`.
macro_rules! option_methods {
    () => {
        /// Sets a variable of the child's environment, which is otherwise this process's.
        pub fn env(
            mut self,
            name: impl Into<std::ffi::OsString>,
            value: impl Into<std::ffi::OsString>,
        ) -> Self {
            let env = &mut self.options().env;
            env.insert(name.into(), Some(value.into()));
            self
        }

        /// Removes a variable from the child's environment.
        pub fn env_remove(mut self, name: impl Into<std::ffi::OsString>) -> Self {
            self.options().env.insert(name.into(), None);
            self
        }

        /// Gives the child no variables but those that are set here, before or after.
        pub fn env_clear(mut self) -> Self {
            self.options().clears_env = true;
            self
        }

        /// Gives the child's program these arguments, after its name, instead of this process's. They are no actor's business:
        /// that is built from what `args` gives.
        pub fn command_line<I>(mut self, arguments: I) -> Self
        where
            I: IntoIterator,
            I::Item: Into<std::ffi::OsString>,
        {
            let arguments = arguments.into_iter().map(Into::into).collect();
            self.options().command_line = Some(arguments);
            self
        }

        /// Starts the child in another directory than this process's.
        pub fn current_dir(mut self, path: impl Into<std::path::PathBuf>) -> Self {
            self.options().directory = Some(path.into());
            self
        }

        /// Runs another program, which must have the role. The default is the one that is running, even if its file was
        /// replaced or deleted since. The path is not searched for, and is relative to this process's directory; it is also
        /// the child's name.
        pub fn executable(mut self, path: impl Into<std::path::PathBuf>) -> Self {
            self.options().executable = Some(path.into());
            self
        }

        /// Says what becomes of what the child writes to its standard output; the default is [`Output::inherit`](crate::Output::inherit).
        pub fn stdout(mut self, output: $crate::Output) -> Self {
            self.options().stdout = output;
            self
        }

        /// Says what becomes of what the child writes to its standard error; the default is [`Output::inherit`](crate::Output::inherit). Whatever it
        /// is, but for [`Output::direct`](crate::Output::direct) and [`Output::null`](crate::Output::null), its last 4 KiB are kept.
        pub fn stderr(mut self, output: $crate::Output) -> Self {
            self.options().stderr = output;
            self
        }

        /// Has the child run on these processors only, numbered from 0.
        ///
        /// This, [`nice`](Self::nice), [`address_space_max`](Self::address_space_max) and
        /// [`open_files_max`](Self::open_files_max) are what the child does to itself when it takes its role, before it
        /// attaches and builds its actor; what its `main` does before it takes the role comes earlier. The thread that
        /// watches for the parent's death keeps the conditions of the parent.
        pub fn cpus(mut self, cpus: impl IntoIterator<Item = u32>) -> Self {
            self.options().conditions.cpus = Some(cpus.into_iter().collect());
            self
        }

        /// Gives the child that nice value: from -20, the first to run, to 19, the last. Values below this process's need a
        /// privilege.
        pub fn nice(mut self, nice: i32) -> Self {
            self.options().conditions.nice = Some(nice);
            self
        }

        /// Bounds the bytes of the child's address space (`RLIMIT_AS`), of which a node reserves far more than it uses: some
        /// hundred MiB for itself and a hundred more for each peer. To bound memory in use, see
        /// [`memory_max`](Self::memory_max).
        pub fn address_space_max(mut self, bytes: u64) -> Self {
            self.options().conditions.address_space = Some(bytes);
            self
        }

        /// Bounds the number of descriptors that the child may have open (`RLIMIT_NOFILE`).
        pub fn open_files_max(mut self, files: u64) -> Self {
            self.options().conditions.open_files = Some(files);
            self
        }

        /// Bounds the bytes of memory that the child and the programs that it starts use together, beyond which the kernel
        /// kills one of them: see [`ExitReason::OutOfMemory`](crate::ExitReason::OutOfMemory).
        ///
        /// This, [`cpu_max`](Self::cpu_max) and [`pids_max`](Self::pids_max) are limits of a cgroup of the child's own, made below
        /// that of this process, or [elsewhere](Self::cgroup), where this process may do that. It is removed when the child is
        /// dead; what is left in it is killed, daemons too. The error says which file refused.
        pub fn memory_max(mut self, bytes: u64) -> Self {
            self.options().limits.memory = Some(bytes);
            self
        }

        /// Bounds the time of processors that the child and the programs that it starts get together: 1.5 is one and a half
        /// processor. At least a hundredth of one is granted. See [`memory_max`](Self::memory_max).
        pub fn cpu_max(mut self, processors: f64) -> Self {
            self.options().limits.cpus = Some(processors);
            self
        }

        /// Bounds the number of processes and threads of the child and the programs that it starts; a node has several threads.
        /// See [`memory_max`](Self::memory_max).
        pub fn pids_max(mut self, pids: u64) -> Self {
            self.options().limits.pids = Some(pids);
            self
        }

        /// Makes the child's cgroup below this directory. Where version 2 is used alone, that must be one without processes
        /// of its own, such as one that an init system has delegated: this process's own has at least one.
        pub fn cgroup(mut self, below: impl Into<std::path::PathBuf>) -> Self {
            self.options().limits.below = Some(below.into());
            self
        }
    };
}

pub(crate) use option_methods;
