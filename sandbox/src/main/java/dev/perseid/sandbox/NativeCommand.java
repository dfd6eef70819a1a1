package dev.perseid.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The command line of a native program inside bubblewrap.
final class NativeCommand {
  static final String MISSING =
      "bubblewrap or prlimit is not installed (Debian: apt-get install bubblewrap util-linux)";

  /// Where nothing is run.
  static final NativeCommand NONE = with(Path.of("bwrap"));

  /// What the shell inside says when the limits hold, before it becomes the program: from then on
  /// what goes wrong is the program's doing.
  static final int BEGUN = 1;

  /// A program finds its interpreter here.
  static final List<Path> PROGRAM_FOLDERS =
      List.of(Path.of("/usr/local/bin"), Path.of("/usr/bin"), Path.of("/bin"));

  private static final Path PRLIMIT = Path.of("/usr/bin/prlimit");

  /// Here NVIDIA's driver tells which GPUs there are.
  private static final Path DRIVERS = Path.of("/proc/driver");

  /// A program may reserve more than it uses; this only keeps it from using it up before anybody
  /// looks.
  private static final long DATA_MARGIN_BYTES = 256L << 20;

  private static final int OPEN_FILES = 1_024;

  private final Path bwrap;
  private final OptionalLong processes;

  private NativeCommand(Path bwrap, OptionalLong processes) {
    this.bwrap = bwrap;
    this.processes = processes;
  }

  static Optional<NativeCommand> installed() {
    return Bubblewrap.installed().filter(_ -> Files.isExecutable(PRLIMIT)).map(NativeCommand::with);
  }

  static NativeCommand with(Path bwrap) {
    return new NativeCommand(bwrap, processes());
  }

  /// How many processes and threads a program can start at all. Like the limit of its data this
  /// only bounds what it does before anybody looks. Before Linux 5.14 all that the user runs
  /// anywhere counts, so that there is no such limit.
  private static OptionalLong processes() {
    if (!countsByContainer(System.getProperty("os.version"))) {
      return OptionalLong.empty();
    }
    long own = Long.MAX_VALUE; // no limit can be raised
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
        Matcher m = Pattern.compile("Max processes +\\w+ +(\\d+) .*").matcher(line);
        if (m.matches()) {
          own = Long.parseLong(m.group(1));
        }
      }
    } catch (IOException e) {
      return OptionalLong.empty();
    }
    return OptionalLong.of(Math.min(own, 2 * Limits.NATIVE_PROCESSES));
  }

  static boolean countsByContainer(String linux) {
    Matcher m = Pattern.compile("(\\d{1,4})\\.(\\d{1,4})\\b.*").matcher(linux);
    if (!m.matches()) {
      return false;
    }
    int major = Integer.parseInt(m.group(1));
    return major > 5 || (major == 5 && Integer.parseInt(m.group(2)) >= 14);
  }

  /// The first process of the container, from what bubblewrap said before the program began.
  static Optional<ProcessHandle> firstProcess(String said) {
    Matcher m = Pattern.compile("\"child-pid\": (\\d{1,10})\\b").matcher(said);
    return m.find() ? ProcessHandle.of(Long.parseLong(m.group(1))) : Optional.empty();
  }

  /// The whole command.
  ///
  /// @param folder with the folders `in`, `out` and `scratch`, and the files `program`, `passwd`
  ///   and `filter`
  List<String> of(Program program, Path folder) throws IOException {
    RunLimits limits = program.limits();
    List<String> c = new ArrayList<>();
    // Where bubblewrap tells of the first process is closed after that, so it must be a copy.
    c.addAll(Bubblewrap.start(bwrap, folder.resolve("filter"), "3>&1"));
    add(c, "--info-fd", "3");
    c.addAll(Bubblewrap.APART);
    for (String system : List.of("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")) {
      Path path = Path.of(system);
      if (Files.isSymbolicLink(path)) {
        add(c, "--symlink", Files.readSymbolicLink(path).toString(), system);
      } else if (Files.isDirectory(path)) {
        add(c, "--ro-bind", system, system);
      }
    }
    add(c, "--ro-bind", "/usr", "/usr");
    for (String found : List.of("/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime")) {
      add(c, "--ro-bind-try", found, found);
    }
    add(c, "--ro-bind", folder.resolve("passwd").toString(), "/etc/passwd");
    add(c, "--ro-bind", folder.resolve("program").toString(), "/program");
    add(c, "--ro-bind", folder.resolve("in").toString(), "/in");
    add(c, "--bind", folder.resolve("out").toString(), "/out");
    add(c, "--bind", folder.resolve("scratch").toString(), "/scratch");
    add(c, "--symlink", "/scratch", "/tmp");
    add(c, "--proc", "/proc", "--dev", "/dev");
    add(c, "--size", Long.toString(Math.max(1 << 20, limits.memoryBytes() / 4)));
    add(c, "--tmpfs", "/dev/shm");
    gpus(c, program.gpus());
    add(c, "--remount-ro", "/dev", "--remount-ro", "/");
    environment(c, program);
    add(c, "--chdir", "/scratch", "--", PRLIMIT.toString());
    long data = limits.memoryBytes() + Math.max(limits.memoryBytes(), DATA_MARGIN_BYTES);
    add(c, "--core=0", "--data=" + data, "--nofile=" + OPEN_FILES);
    add(c, "--fsize=" + Math.max(limits.outputBytes(), limits.memoryBytes()));
    processes.ifPresent(n -> add(c, "--nproc=" + n));
    add(c, "/bin/sh", "-c", "printf '\\001'; exec \"$@\"", "sh", "/program");
    c.addAll(program.args());
    return c;
  }

  /// What the GPUs of a program need: their own files of `/dev`, what tells where the drivers'
  /// libraries are, and what these read of `/sys`. Only the files can be written to.
  private static void gpus(List<String> c, List<Gpu> gpus) {
    if (gpus.isEmpty()) {
      if (Files.isDirectory(DRIVERS)) {
        add(c, "--tmpfs", DRIVERS.toString(), "--remount-ro", DRIVERS.toString());
      }
      return;
    }
    DeviceFiles machine = new DeviceFiles(Path.of("/"));
    Set<String> files = new LinkedHashSet<>();
    Set<String> folders = new LinkedHashSet<>(List.of("/etc/OpenCL"));
    for (Gpu gpu : gpus) {
      gpu.deviceFiles().forEach(file -> files.add(file.toString()));
      machine.systemFolders(gpu.slot()).forEach(folder -> folders.add(folder.toString()));
    }
    files.forEach(file -> add(c, "--dev-bind", file, file));
    folders.forEach(folder -> add(c, "--ro-bind-try", folder, folder));
  }

  private static void environment(List<String> c, Program program) {
    add(c, "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin");
    add(c, "--setenv", "HOME", "/scratch");
    add(c, "--setenv", "TMPDIR", "/scratch");
    add(c, "--setenv", "LANG", "C.UTF-8");
    add(c, "--setenv", "OMP_NUM_THREADS", Integer.toString(program.cores()));
    add(c, "--setenv", "PERSEID_INPUTS", Integer.toString(program.inputs().size()));
    add(c, "--setenv", "PERSEID_OUTPUTS", Integer.toString(program.outputs()));
    add(c, "--setenv", "PERSEID_GPUS", Integer.toString(program.gpus().size()));
  }

  private static void add(List<String> to, String... more) {
    to.addAll(List.of(more));
  }
}
