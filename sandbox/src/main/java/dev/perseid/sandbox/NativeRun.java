package dev.perseid.sandbox;

import dev.perseid.core.Hash;
import dev.perseid.core.Platform;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// One run of a native program, from the making of its folder to the deletion.
final class NativeRun {
  /// Looking at all files takes at most one part in so many of the time.
  private static final int LOOK_SELDOM = 20;

  private static final long LOOK_AT_FILES_NS = 200_000_000;

  /// So much of the last line that it printed is told.
  private static final int LINE_CHARS = 200;

  private static final int SIGXFSZ_CODE = 128 + 25;

  private final NativeCommand command;
  private final Program program;
  private final Path folder;
  private final Path results;
  private final CountDownLatch gone = new CountDownLatch(1);
  private final CountDownLatch heard = new CountDownLatch(1);

  private volatile boolean cancelled;
  private volatile boolean begun;
  private volatile byte[] log = {};

  /// The first process in the container, as bubblewrap tells; when it is gone, so are all others.
  private volatile Optional<ProcessHandle> first = Optional.empty();

  /// Whether some of it may still be running, so that its folder must stay.
  private boolean alive;

  private NativeProcesses.Held held = NativeProcesses.Held.NOTHING;
  private int hiddenLooks;
  private long peakBytes;
  private long cpuNs;

  NativeRun(NativeCommand command, Program program, Path folder, Path results) {
    this.command = command;
    this.program = program;
    this.folder = folder;
    this.results = results;
  }

  void cancel() {
    cancelled = true;
  }

  /// Whether nothing of it runs any more and its folder is deleted.
  boolean awaitEnd(long limitNs) {
    try {
      return gone.await(limitNs, TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  static Execution failed(Program program, Verdict.Kind kind, String message) {
    return new Execution(
        program.runId(), new Verdict.Failed(kind, message), List.of(), usage(program, 0), "");
  }

  private static Usage usage(Program program, long bytesOut) {
    OptionalLong unknown = OptionalLong.empty();
    return new Usage(unknown, unknown, unknown, unknown, bytesIn(program), bytesOut);
  }

  private static long bytesIn(Program program) {
    long bytes = 0;
    for (String arg : program.args()) {
      bytes += arg.getBytes(StandardCharsets.UTF_8).length;
    }
    for (Input input : program.inputs()) {
      bytes += input.size();
    }
    return bytes;
  }

  /// Runs it to its end. The calling thread must live as long as the program: bubblewrap dies with
  /// it.
  Execution execute() {
    try {
      Optional<Verdict.Failed> unfit;
      try {
        unfit = prepare();
      } catch (InvalidPathException e) {
        unfit = refused("its first line names no interpreter that could be there");
      }
      if (unfit.isPresent()) {
        return failed(program, unfit.get().kind(), unfit.get().message());
      }
      return cancelled
          ? failed(program, Verdict.Kind.CANCELLED, "cancelled before it ran")
          : started();
    } catch (IOException e) {
      return failed(
          program, Verdict.Kind.NOT_STARTED, "it could not be started: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return failed(program, Verdict.Kind.CANCELLED, "interrupted while it ran");
    } finally {
      if (!alive) {
        Folders.delete(folder);
        gone.countDown();
      }
    }
  }

  private Optional<Verdict.Failed> prepare() throws IOException {
    for (String part : List.of("in", "out", "scratch")) {
      Files.createDirectories(folder.resolve(part));
    }
    Path own = folder.resolve("program");
    Files.copy(program.file(), own);
    if (!Arrays.equals(Folders.sha256(own), program.sha256())) {
      return Optional.of(
          new Verdict.Failed(
              Verdict.Kind.NOT_STARTED, "the program at hand is not the one that was named"));
    }
    Files.setPosixFilePermissions(own, PosixFilePermissions.fromString("r-xr-xr-x"));
    Files.writeString(
        folder.resolve("passwd"), "nobody:x:65534:65534:nobody:/scratch:/usr/sbin/nologin\n");
    Files.write(folder.resolve("filter"), SystemCalls.filter(Natives.platform().orElseThrow()));
    for (int i = 0; i < program.inputs().size(); i++) {
      Path to = folder.resolve("in").resolve(Integer.toString(i));
      switch (program.inputs().get(i)) {
        case Input.Inline(byte[] bytes) -> Files.write(to, bytes);
        case Input.File(Path path, long size) -> {
          Folders.place(path, to);
          if (Files.size(to) != size) {
            throw new IOException("input " + i + " has changed its size");
          }
        }
      }
    }
    return unfit(own);
  }

  /// What stands in the way of executing the file here.
  private static Optional<Verdict.Failed> unfit(Path file) throws IOException {
    byte[] head;
    try (InputStream in = Files.newInputStream(file)) {
      head = in.readNBytes(256);
    }
    if (Program.isElf(head) && head.length >= 20) {
      int machine = (head[18] & 0xFF) | (head[19] & 0xFF) << 8;
      boolean fits = Natives.platform().filter(p -> machine == machine(p)).isPresent();
      return fits
          ? Optional.empty()
          : refused("the program is made for another machine (ELF machine " + machine + ")");
    }
    if (!Program.isScript(head)) {
      return refused("the program is neither an ELF file nor a script that begins with '#!'");
    }
    String line = new String(head, 2, head.length - 2, StandardCharsets.UTF_8);
    int end = line.indexOf('\n');
    String[] words = (end < 0 ? line : line.substring(0, end)).strip().split("\\s+", -1);
    Path interpreter = Path.of(words[0].isEmpty() ? "/" : words[0]);
    if (!interpreter.isAbsolute() || !Files.isExecutable(interpreter) || !isShown(interpreter)) {
      return missing(interpreter.toString());
    }
    if (interpreter.endsWith("env") && words.length == 2) {
      String name = words[1];
      boolean found =
          NativeCommand.PROGRAM_FOLDERS.stream().anyMatch(f -> Files.isExecutable(f.resolve(name)));
      return found ? Optional.empty() : missing(name);
    }
    return Optional.empty();
  }

  private static boolean isShown(Path file) {
    return file.startsWith("/usr") || file.startsWith("/bin") || file.startsWith("/sbin");
  }

  private static int machine(Platform platform) {
    return switch (platform) {
      case LINUX_X86_64 -> 62;
      case LINUX_AARCH64 -> 183;
    };
  }

  private static Optional<Verdict.Failed> refused(String why) {
    return Optional.of(new Verdict.Failed(Verdict.Kind.MODULE_REFUSED, why));
  }

  private static Optional<Verdict.Failed> missing(String interpreter) {
    return Optional.of(
        new Verdict.Failed(
            Verdict.Kind.NOT_STARTED, "this machine has no interpreter " + interpreter));
  }

  private Execution started() throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(command.of(program, folder)).redirectErrorStream(true);
    builder.environment().clear();
    long startNs = System.nanoTime();
    Process process = builder.start();
    alive = true;
    Verdict.@Nullable Failed ended;
    try {
      process.getOutputStream().close();
      Thread.ofPlatform().daemon().start(() -> listen(process.getInputStream()));
      ended = watch(process, startNs);
    } finally {
      alive = !stop(process);
    }
    long wallNs = System.nanoTime() - startNs;
    try {
      return end(verdict(process, ended), wallNs);
    } catch (IOException e) {
      return failed(
          program,
          Verdict.Kind.ENGINE_DIED,
          "its outputs could not be taken over: " + e.getMessage());
    }
  }

  /// Waits for the end; why it has to be ended is the answer, null if it ended by itself.
  private Verdict.@Nullable Failed watch(Process process, long startNs)
      throws InterruptedException {
    long filesNs = startNs;
    while (!process.waitFor(Limits.TICK_MS, TimeUnit.MILLISECONDS)) {
      long now = System.nanoTime();
      Verdict.Failed why = overdue(now - startNs);
      List<ProcessHandle> processes = process.descendants().toList();
      if (why == null) {
        why = overuse(processes);
      }
      if (why == null && now >= filesNs) {
        why = overuseOfFiles(processes);
        long took = System.nanoTime() - now;
        filesNs = now + Math.max(LOOK_AT_FILES_NS, LOOK_SELDOM * took);
      }
      if (why != null) {
        return why;
      }
    }
    return null;
  }

  /// Ends what still runs; whether all of it is gone. Bubblewrap itself may be gone before.
  private boolean stop(Process process) throws InterruptedException {
    if (process.isAlive()) {
      EngineChild.destroy(process, false);
    }
    if (!process.waitFor(Limits.KILL_GRACE_MS, TimeUnit.MILLISECONDS)) {
      return false;
    }
    var _ = heard.await(Limits.CLOSE_MS, TimeUnit.MILLISECONDS);
    long endNs = System.nanoTime() + Limits.KILL_GRACE_MS * 1_000_000;
    while (first.isPresent() && !NativeProcesses.isGone(first.get())) {
      if (System.nanoTime() - endNs > 0) {
        return false;
      }
      TimeUnit.MILLISECONDS.sleep(1);
    }
    return true;
  }

  private Verdict.@Nullable Failed overdue(long ranNs) {
    if (cancelled) {
      return new Verdict.Failed(Verdict.Kind.CANCELLED, "cancelled while it ran");
    }
    long limitMs = program.limits().wallMs();
    return ranNs > limitMs * 1_000_000
        ? new Verdict.Failed(Verdict.Kind.OUT_OF_TIME, "it ran longer than " + limitMs + " ms")
        : null;
  }

  private Verdict.@Nullable Failed overuse(List<ProcessHandle> processes) {
    NativeProcesses.Use use = NativeProcesses.use(processes);
    if (use.threads() > Limits.NATIVE_PROCESSES) {
      return new Verdict.Failed(
          Verdict.Kind.RECURSION_LIMIT,
          "it had more than " + Limits.NATIVE_PROCESSES + " processes and threads at once");
    }
    long cpu = 0;
    for (ProcessHandle one : processes) {
      cpu += one.info().totalCpuDuration().map(Duration::toNanos).orElse(0L);
    }
    cpuNs = Math.max(cpuNs, cpu);
    long limit = program.limits().memoryBytes();
    long shm = NativeProcesses.shmBytes(processes);
    long bytes = memory(use, shm);
    if (bytes > limit && held.memoryBytes() > 0) {
      held = NativeProcesses.held(processes, folder); // it may have let go of it since
      bytes = memory(use, shm);
    }
    peakBytes = Math.max(peakBytes, bytes);
    return bytes > limit
        ? new Verdict.Failed(
            Verdict.Kind.MEMORY_LIMIT,
            "its processes used " + bytes + " bytes of memory together, more than " + limit)
        : null;
  }

  /// What is in files in memory counts once, whether they are mapped or not.
  private long memory(NativeProcesses.Use use, long shmBytes) {
    return use.bytes()
        - use.sharedBytes()
        + Math.max(use.sharedBytes(), held.memoryBytes() + shmBytes);
  }

  private Verdict.@Nullable Failed overuseOfFiles(List<ProcessHandle> processes) {
    // First, so that what loses its name meanwhile does not count twice.
    held = NativeProcesses.held(processes, folder);
    if (held.open() > Limits.NATIVE_FILES) {
      return new Verdict.Failed(
          Verdict.Kind.OUTPUT_LIMIT,
          "it had more than " + Limits.NATIVE_FILES + " files open, counted for each thread");
    }
    return overuseOfFiles(false);
  }

  private Verdict.@Nullable Failed overuseOfFiles(boolean ended) {
    RunLimits limits = program.limits();
    Folders.Size out = Folders.size(folder.resolve("out"), ended);
    if (out.bytes() > limits.outputBytes()) {
      return new Verdict.Failed(
          Verdict.Kind.OUTPUT_LIMIT,
          "its outputs had more than " + limits.outputBytes() + " bytes together");
    }
    Folders.Size work = Folders.size(folder.resolve("scratch"), ended);
    if (work.bytes() + held.diskBytes() > limits.memoryBytes()) {
      return new Verdict.Failed(
          Verdict.Kind.MEMORY_LIMIT,
          "its scratch files, also those without a name, had more bytes together than it may have"
              + " memory: "
              + limits.memoryBytes());
    }
    if (out.files() + work.files() + held.files() > Limits.NATIVE_FILES) {
      return new Verdict.Failed(
          Verdict.Kind.OUTPUT_LIMIT, "it made more than " + Limits.NATIVE_FILES + " files");
    }
    if (out.deep() || work.deep()) {
      return new Verdict.Failed(
          Verdict.Kind.OUTPUT_LIMIT,
          "it nested folders more than " + Limits.NATIVE_DEPTH + " deep");
    }
    hiddenLooks = out.hidden() || work.hidden() || held.hidden() ? hiddenLooks + 1 : 0;
    return hiddenLooks > (ended ? 0 : Limits.NATIVE_HIDDEN_LOOKS)
        ? new Verdict.Failed(
            Verdict.Kind.TRAP, "it kept files from being looked at, so they could not be counted")
        : null;
  }

  private void listen(InputStream said) {
    try {
      ByteArrayOutputStream before = new ByteArrayOutputStream();
      int next = said.read();
      while (next >= 0 && next != NativeCommand.BEGUN && before.size() < Limits.LOG_BYTES) {
        before.write(next);
        next = said.read();
      }
      first = NativeCommand.firstProcess(before.toString(StandardCharsets.UTF_8));
      begun = next == NativeCommand.BEGUN;
      byte[] kept = said.readNBytes(Limits.LOG_BYTES);
      log = begun ? kept : before.toByteArray();
      said.transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      // the process is gone
    } finally {
      heard.countDown();
    }
  }

  private Verdict verdict(Process process, Verdict.@Nullable Failed ended) {
    if (ended != null && ended.kind() == Verdict.Kind.CANCELLED) {
      return ended;
    }
    if (!begun) {
      return new Verdict.Failed(
          Verdict.Kind.NOT_STARTED,
          "bubblewrap or prlimit did not start it: "
              + (ended == null ? lastLine() : ended.message()));
    }
    if (ended != null) {
      return ended;
    }
    if (alive) {
      return new Verdict.Failed(
          Verdict.Kind.ENGINE_DIED, "bubblewrap ended before the program did");
    }
    int code = process.exitValue();
    if (code == SIGXFSZ_CODE) {
      return new Verdict.Failed(Verdict.Kind.OUTPUT_LIMIT, "it wrote a larger file than it may");
    }
    if (code != 0) {
      String said = lastLine();
      return new Verdict.Failed(
          Verdict.Kind.EXIT_CODE,
          "it ended with exit code " + code + (said.isEmpty() ? "" : ", and said: " + said));
    }
    held = NativeProcesses.Held.NOTHING;
    hiddenLooks = 0;
    Verdict.Failed overuse = overuseOfFiles(true);
    return overuse == null ? new Verdict.Done() : overuse;
  }

  private String lastLine() {
    String[] lines = new String(log, StandardCharsets.UTF_8).strip().split("\\R", -1);
    String last = lines[lines.length - 1].strip();
    if (last.length() <= LINE_CHARS) {
      return last;
    }
    boolean pair = Character.isHighSurrogate(last.charAt(LINE_CHARS - 1));
    return last.substring(0, pair ? LINE_CHARS - 1 : LINE_CHARS) + "...";
  }

  private Execution end(Verdict verdict, long wallNs) throws IOException {
    List<Output> outputs = new ArrayList<>();
    Verdict how = verdict;
    boolean all = false;
    try {
      if (verdict instanceof Verdict.Done) {
        how = takeOutputs(outputs);
      }
      all = how instanceof Verdict.Done;
    } finally {
      if (!all) {
        outputs.forEach(NativeRun::discard);
        outputs.clear();
      }
    }
    Usage usage =
        new Usage(
            OptionalLong.empty(),
            cpuNs == 0 ? OptionalLong.empty() : OptionalLong.of(cpuNs),
            OptionalLong.of(wallNs),
            peakBytes == 0 ? OptionalLong.empty() : OptionalLong.of(peakBytes),
            bytesIn(program),
            outputs.stream().mapToLong(Output::size).sum());
    String text = new String(log, StandardCharsets.UTF_8);
    return new Execution(program.runId(), how, outputs, usage, text);
  }

  private static void discard(Output output) {
    if (output instanceof Output.File file) {
      Folders.deleteQuietly(file.path());
    }
  }

  private Verdict takeOutputs(List<Output> to) throws IOException {
    // The program may have left nobody any right to it.
    Files.setPosixFilePermissions(
        folder.resolve("out"), PosixFilePermissions.fromString("rwx------"));
    for (int i = 0; i < program.outputs(); i++) {
      Optional<Output> output = take(i);
      if (output.isEmpty()) {
        return new Verdict.Failed(Verdict.Kind.TRAP, "its output " + i + " is no plain file");
      }
      to.add(output.get());
    }
    return new Verdict.Done();
  }

  /// Takes an output over; empty if it is no plain file. It is looked at where no program reaches
  /// it, so that it stays what it was found to be, and opened once.
  private Optional<Output> take(int number) throws IOException {
    Path left = folder.resolve("out").resolve(Integer.toString(number));
    if (!Files.exists(left, LinkOption.NOFOLLOW_LINKS)) {
      return Optional.of(new Output.Inline(new byte[0], Hash.EMPTY_BLOB.bytes()));
    }
    if (!isPlain(left)) {
      return Optional.empty();
    }
    Path file = results.resolve(folder.getFileName() + "-" + number);
    Files.move(left, file, StandardCopyOption.ATOMIC_MOVE);
    boolean kept = false;
    try {
      if (!isPlain(file)) {
        return Optional.empty();
      }
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
      Output output = read(file, number);
      kept = output instanceof Output.File;
      return Optional.of(output);
    } finally {
      if (!kept) {
        Folders.delete(file);
      }
    }
  }

  private static boolean isPlain(Path file) {
    return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS);
  }

  private static Output read(Path file, int number) throws IOException {
    try (FileChannel channel =
            FileChannel.open(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
        InputStream in = Channels.newInputStream(channel)) {
      long size = channel.size();
      if (size <= Limits.INLINE_BYTES) {
        byte[] bytes = in.readNBytes((int) size);
        return new Output.Inline(bytes, Hash.sha256(bytes).bytes());
      }
      MessageDigest digest = MemoryTree.sha256();
      long read = new DigestInputStream(in, digest).transferTo(OutputStream.nullOutputStream());
      if (read != size) {
        throw new IOException("output " + number + " changed its size while it was read");
      }
      return new Output.File(file, size, digest.digest());
    }
  }
}
