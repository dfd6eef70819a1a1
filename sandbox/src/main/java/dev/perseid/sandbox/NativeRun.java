package dev.perseid.sandbox;

import dev.perseid.core.Hash;
import dev.perseid.core.Platform;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
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
  /// Processes and threads' processes that a program may have at once.
  private static final int PROCESSES = 512;

  /// Looking at all files takes at most one part in so many of the time.
  private static final int LOOK_SELDOM = 20;

  private static final long LOOK_AT_FILES_NS = 200_000_000;

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

  void awaitEnd(long limitMs) {
    try {
      var _ = gone.await(limitMs, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
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
    } finally {
      gone.countDown();
      Folders.delete(folder);
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

  private Execution started() throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(command.of(program, folder)).redirectErrorStream(true);
    builder.environment().clear();
    long startNs = System.nanoTime();
    Process process = builder.start();
    try {
      process.getOutputStream().close();
      Thread.ofPlatform().daemon().start(() -> listen(process.getInputStream()));
      Verdict.@Nullable Failed ended = watch(process, startNs);
      long wallNs = System.nanoTime() - startNs;
      awaitLog();
      return end(ended == null ? verdict(process.exitValue()) : ended, wallNs);
    } catch (InterruptedException e) {
      throw new IOException("interrupted", e);
    } finally {
      if (process.isAlive()) {
        EngineChild.destroy(process, false);
      }
    }
  }

  /// Waits for the end; what had to be ended is the answer, null if it ended by itself.
  private Verdict.@Nullable Failed watch(Process process, long startNs)
      throws InterruptedException {
    long filesNs = startNs;
    while (!process.waitFor(Limits.TICK_MS, TimeUnit.MILLISECONDS)) {
      long now = System.nanoTime();
      Verdict.Failed why = overdue(now - startNs);
      if (why == null) {
        why = overuse(process);
      }
      if (why == null && now >= filesNs) {
        why = overuseOfFiles(false);
        long took = System.nanoTime() - now;
        filesNs = now + Math.max(LOOK_AT_FILES_NS, LOOK_SELDOM * took);
      }
      if (why != null) {
        EngineChild.destroy(process, false);
        process.waitFor();
        return why;
      }
    }
    return null;
  }

  private Verdict.@Nullable Failed overdue(long ranNs) {
    if (cancelled) {
      return new Verdict.Failed(Verdict.Kind.CANCELLED, "cancelled while it ran");
    }
    long limitMs = program.limits().wallMs();
    return ranNs > limitMs * 1_000_000
        ? new Verdict.Failed(Verdict.Kind.TIME_LIMIT, "it ran longer than " + limitMs + " ms")
        : null;
  }

  private Verdict.@Nullable Failed overuse(Process process) {
    long bytes = 0;
    long cpu = 0;
    int count = 0;
    for (ProcessHandle one : (Iterable<ProcessHandle>) process.descendants()::iterator) {
      bytes += residentBytes(one.pid());
      cpu += one.info().totalCpuDuration().map(Duration::toNanos).orElse(0L);
      count++;
    }
    peakBytes = Math.max(peakBytes, bytes);
    cpuNs = Math.max(cpuNs, cpu);
    if (bytes > program.limits().memoryBytes()) {
      return new Verdict.Failed(
          Verdict.Kind.MEMORY_LIMIT,
          "its processes used "
              + bytes
              + " bytes of memory together, more than "
              + program.limits().memoryBytes());
    }
    return count > PROCESSES
        ? new Verdict.Failed(
            Verdict.Kind.RECURSION_LIMIT, "it had more than " + PROCESSES + " processes at once")
        : null;
  }

  /// What a process has in memory; 0 once it is gone.
  private static long residentBytes(long pid) {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/status"))) {
        if (line.startsWith("VmRSS:")) {
          return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
        }
      }
    } catch (IOException e) {
      return 0;
    }
    return 0;
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
    if (work.bytes() > limits.memoryBytes()) {
      return new Verdict.Failed(
          Verdict.Kind.MEMORY_LIMIT,
          "its scratch files had more bytes together than it may have memory: "
              + limits.memoryBytes());
    }
    return out.files() + work.files() > Limits.NATIVE_FILES
        ? new Verdict.Failed(
            Verdict.Kind.OUTPUT_LIMIT, "it made more than " + Limits.NATIVE_FILES + " files")
        : null;
  }

  private void listen(InputStream said) {
    try {
      begun = said.read() == NativeCommand.BEGUN;
      byte[] kept = said.readNBytes(Limits.LOG_BYTES);
      log = kept;
      said.transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      // the process is gone
    } finally {
      heard.countDown();
    }
  }

  private void awaitLog() throws InterruptedException {
    var _ = heard.await(Limits.CLOSE_MS, TimeUnit.MILLISECONDS);
  }

  private Verdict verdict(int code) {
    if (!begun) {
      return new Verdict.Failed(
          Verdict.Kind.NOT_STARTED, "bubblewrap could not start it: " + lastLine());
    }
    if (code == SIGXFSZ_CODE) {
      return new Verdict.Failed(Verdict.Kind.OUTPUT_LIMIT, "it wrote a larger file than it may");
    }
    if (code != 0) {
      String said = lastLine();
      return new Verdict.Failed(
          Verdict.Kind.EXIT_CODE,
          "it ended with exit code " + code + (said.isEmpty() ? "" : ", and said: " + said));
    }
    Verdict.Failed overuse = overuseOfFiles(true);
    return overuse == null ? new Verdict.Done() : overuse;
  }

  private String lastLine() {
    String[] lines = new String(log, StandardCharsets.UTF_8).strip().split("\\R", -1);
    String last = lines[lines.length - 1].strip();
    return last.length() <= 200 ? last : last.substring(0, 200) + "...";
  }

  private Execution end(Verdict verdict, long wallNs) throws IOException {
    List<Output> outputs = new ArrayList<>();
    long bytesOut = 0;
    Verdict how = verdict;
    if (verdict instanceof Verdict.Done) {
      for (int i = 0; i < program.outputs(); i++) {
        Path file = folder.resolve("out").resolve(Integer.toString(i));
        Optional<String> odd = odd(file);
        if (odd.isPresent()) {
          how = new Verdict.Failed(Verdict.Kind.TRAP, "its output " + i + " is " + odd.get());
          outputs.clear();
          bytesOut = 0;
          break;
        }
        Output output = output(file, i);
        bytesOut += output.size();
        outputs.add(output);
      }
    }
    Usage usage =
        new Usage(
            OptionalLong.empty(),
            cpuNs == 0 ? OptionalLong.empty() : OptionalLong.of(cpuNs),
            OptionalLong.of(wallNs),
            peakBytes == 0 ? OptionalLong.empty() : OptionalLong.of(peakBytes),
            bytesIn(program),
            bytesOut);
    String text = new String(log, StandardCharsets.UTF_8);
    return new Execution(program.runId(), how, outputs, usage, text);
  }

  /// What an output is if it is no file: links are not followed, and nothing is opened that could
  /// block.
  private static Optional<String> odd(Path file) throws IOException {
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      return Optional.empty();
    }
    BasicFileAttributes is =
        Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    return is.isRegularFile() ? Optional.empty() : Optional.of("no plain file");
  }

  private Output output(Path file, int number) throws IOException {
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      return new Output.Inline(new byte[0], Hash.EMPTY_BLOB.bytes());
    }
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
    long size = Files.size(file);
    if (size <= Limits.INLINE_BYTES) {
      byte[] bytes = Files.readAllBytes(file);
      return new Output.Inline(bytes, Hash.sha256(bytes).bytes());
    }
    Path kept = results.resolve(folder.getFileName() + "-" + number);
    Files.move(file, kept);
    return new Output.File(kept, size, Folders.sha256(kept));
  }
}
