package dev.perseid.sandbox;

import dev.perseid.core.Platform;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/// Runs native programs, each in a container of its own: bubblewrap with name spaces of its own, no
/// network, nothing of the file system but the system's programs and libraries (read only), its
/// inputs, and a folder for outputs and one for scratch files. Unlike portable tasks they have
/// nothing else between them and the kernel: whoever lends a machine to them trusts it to keep them
/// in.
///
/// Memory, processes and files are looked at now and then, and what has more than it may is ended;
/// so a program may exceed its limits until the next look. What can be counted and what cannot is
/// told in `docs/native-tasks.md`.
///
/// Thread safe. What a program does wrong is a [Verdict], never an exception.
public final class Natives implements AutoCloseable {
  /// Says what it can do that a program must not; nothing if all is well. Arguments: the port of a
  /// listener on this machine's loopback as four hexadecimal digits, and what exists outside.
  private static final String PROBE =
      """
      #!/bin/sh
      port=$1
      shift
      for f in "$@"; do
        [ -e "$f" ] && echo "it can see $f"
      done
      for f in /probe /usr/probe /in/probe /program /dev/probe /etc/probe /proc/probe; do
        (: >> "$f") 2>/dev/null && echo "it can write $f"
      done
      for f in /out/probe /scratch/probe "$TMPDIR/probe" /dev/shm/probe; do
        (: > "$f") 2>/dev/null || echo "it cannot write $f"
      done
      for f in /dev/*; do
        case "${f#/dev/}" in
          console|core|fd|full|null|ptmx|pts|random|shm|stderr|stdin|stdout|tty|urandom|zero) ;;
          *) echo "it can see $f" ;;
        esac
      done
      [ "$PERSEID_GPUS" = 0 ] || echo "it has GPUs that nobody gave it"
      [ "$(grep -c : /proc/net/dev)" -le 1 ] || echo "it has a network"
      grep -qi ":$port " /proc/net/tcp /proc/net/tcp6 && echo "it can see this machine's sockets"
      [ "$(ls -d /proc/[0-9]* | wc -l)" -le 8 ] || echo "it can see other processes"
      env | grep -q '^PERSEID_OUTSIDE=' && echo "it can see the environment"
      grep -q '^Seccomp:.*2$' /proc/self/status && ! ipcmk -M 4096 >/dev/null 2>&1 ||
        echo "it can make any system call"
      exit 0
      """;

  private final Path directory;
  private final Path results;
  private final NativeCommand command;
  private final Isolation isolation;
  private final Map<Long, NativeRun> runs = new ConcurrentHashMap<>();
  private final AtomicLong folders = new AtomicLong();
  private volatile boolean closed;

  /// Runs of which something could not be ended.
  private final Set<Long> stuck = ConcurrentHashMap.newKeySet();

  private Natives(Path directory, NativeCommand command, Isolation isolation) throws IOException {
    this.directory = directory;
    this.command = command;
    this.isolation = isolation;
    Folders.delete(directory.resolve("runs"));
    Folders.delete(directory.resolve("results"));
    Files.createDirectories(directory.resolve("runs"));
    this.results = Files.createDirectories(directory.resolve("results"));
  }

  /// Tests whether programs can be kept in here, and says what was found ([#isolation]); without
  /// isolation none is run.
  ///
  /// @param directory private scratch folder; emptied
  /// @throws UncheckedIOException when the folder cannot be used
  public static Natives open(Path directory) {
    try {
      Path own = directory.toAbsolutePath().normalize();
      Files.createDirectories(own);
      Optional<NativeCommand> command = NativeCommand.installed();
      if (command.isEmpty()) {
        return new Natives(own, NativeCommand.NONE, none(NativeCommand.MISSING));
      }
      if (platform().isEmpty()) {
        return new Natives(own, NativeCommand.NONE, none(SystemCalls.ELSEWHERE));
      }
      Natives tested =
          new Natives(own, command.get(), new Isolation(Isolation.Kind.BUBBLEWRAP, TESTED));
      String leaks = tested.probe();
      return leaks.isEmpty()
          ? tested
          : new Natives(own, NativeCommand.NONE, none("bubblewrap does not isolate: " + leaks));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static final String TESTED =
      "bubblewrap, tested: no network, no foreign files or processes, nothing writable but its"
          + " scratch folder and its outputs, system calls filtered";

  private static Isolation none(String why) {
    return new Isolation(Isolation.Kind.NONE, why + "; native programs are not run");
  }

  private String probe() throws IOException {
    Path witness = Files.writeString(directory.resolve("witness"), "x");
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Path script = Files.writeString(directory.resolve("probe"), PROBE);
      List<String> args = new ArrayList<>();
      args.add(String.format("%04X", listener.getLocalPort()));
      args.addAll(List.of("/etc/shadow", "/etc/hosts", "/etc/ssl", "/home", "/root", "/var"));
      args.addAll(List.of("/etc/OpenCL", "/sys")); // for programs with GPUs only
      Path home = Path.of(System.getProperty("user.home"));
      if (!home.startsWith("/usr") && home.getNameCount() > 0) {
        args.add(home.toString());
      }
      args.add(witness.toString());
      Execution done =
          run(new Program(
                  0,
                  script,
                  Folders.sha256(script),
                  args,
                  List.of(new Input.Inline(new byte[1])),
                  1,
                  1,
                  new RunLimits(0, 256L << 20, 1 << 16, Limits.PROBE_MS)))
              .join();
      String said = done.log().strip().replace("\n", "; ");
      return switch (done.verdict()) {
        case Verdict.Done _ -> said;
        case Verdict.Failed f -> f.message() + (said.isEmpty() ? "" : ": " + said);
      };
    } finally {
      Folders.deleteQuietly(witness);
    }
  }

  /// For which platform this machine runs programs; empty if for none.
  public static Optional<Platform> platform() {
    if (!System.getProperty("os.name").equals("Linux")) {
      return Optional.empty();
    }
    return switch (System.getProperty("os.arch")) {
      case "amd64", "x86_64" -> Optional.of(Platform.LINUX_X86_64);
      case "aarch64" -> Optional.of(Platform.LINUX_AARCH64);
      default -> Optional.empty();
    };
  }

  /// What stands between a program and this machine, as tested at the opening.
  public Isolation isolation() {
    return isolation;
  }

  /// Runs a program at once. The future never fails; it completes on a thread of its own, which
  /// ends after that.
  public CompletableFuture<Execution> run(Program program) {
    String refusal = refusal(program);
    if (!refusal.isEmpty()) {
      return CompletableFuture.completedFuture(
          NativeRun.failed(program, Verdict.Kind.NOT_STARTED, refusal));
    }
    Path folder = directory.resolve("runs").resolve(Long.toString(folders.incrementAndGet()));
    NativeRun run = new NativeRun(command, program, folder, results);
    if (runs.putIfAbsent(program.runId(), run) != null) {
      return CompletableFuture.completedFuture(
          NativeRun.failed(
              program, Verdict.Kind.NOT_STARTED, "run " + program.runId() + " runs already"));
    }
    if (closed) {
      run.cancel(); // closing has passed it over
    }
    CompletableFuture<Execution> future = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon()
        .name("native-" + program.runId())
        .start(() -> {
          Execution execution =
              NativeRun.failed(program, Verdict.Kind.NOT_STARTED, "a bug kept it from being run");
          try {
            execution = run.execute();
          } finally {
            if (!run.awaitEnd(0)) {
              stuck.add(program.runId());
            }
            runs.remove(program.runId(), run);
            future.complete(execution);
          }
        });
    return future;
  }

  private String refusal(Program program) {
    if (closed) {
      return "the sandbox is closed";
    }
    if (isolation.kind() == Isolation.Kind.NONE) {
      return isolation.reason();
    }
    if (program.sha256().length != 32) {
      return "sha256 must be 32 bytes";
    }
    if (program.inputs().size() > Limits.INPUTS
        || program.outputs() < 0
        || program.outputs() > Limits.OUTPUTS) {
      return "a program may have "
          + Limits.INPUTS
          + " inputs and "
          + Limits.OUTPUTS
          + " outputs: "
          + program.inputs().size()
          + ", "
          + program.outputs();
    }
    for (Gpu gpu : program.gpus()) {
      for (Path file : gpu.deviceFiles()) {
        if (!file.startsWith("/dev") || !file.equals(file.normalize())) {
          return "a GPU's files are in /dev: " + file + " of " + gpu.name() + " is not";
        }
      }
    }
    int bytes = 0;
    for (String arg : program.args()) {
      if (arg.indexOf('\0') >= 0) {
        return "an argument contains a zero character";
      }
      bytes += arg.getBytes(StandardCharsets.UTF_8).length;
    }
    if (bytes > Limits.ARGS_BYTES / 8) {
      return "the arguments have " + bytes + " bytes, over the limit of " + Limits.ARGS_BYTES / 8;
    }
    return "";
  }

  /// Whether something of a run that has ended is still there, as nothing could end it: a process
  /// that a driver holds, as a rule. It keeps what it had.
  public boolean isStuck(long runId) {
    return stuck.contains(runId);
  }

  /// Stops a run; nothing happens when there is none of that number. It ends as
  /// [Verdict.Kind#CANCELLED], unless it ended before.
  public void cancel(long runId) {
    NativeRun run = runs.get(runId);
    if (run != null) {
      run.cancel();
    }
  }

  /// Stops all that runs, waits for it, and deletes what is left of it. What does not end in time
  /// keeps its folder; a later opening deletes it.
  @Override
  public void close() {
    closed = true;
    List<NativeRun> last = List.copyOf(runs.values());
    last.forEach(NativeRun::cancel);
    long endNs = System.nanoTime() + Limits.NATIVE_CLOSE_MS * 1_000_000;
    boolean ended = true;
    for (NativeRun run : last) {
      ended &= run.awaitEnd(Math.max(0, endNs - System.nanoTime()));
    }
    if (ended && stuck.isEmpty()) {
      Folders.delete(directory.resolve("runs"));
    }
    Folders.delete(results);
  }
}
