package dev.perseid.sandbox;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/// A process of its own that uses this machine's GPUs, by OpenCL: drivers may hang or crash, and
/// take along what they are loaded into. It does the work by which GPUs are measured
/// (docs/capability.md has it to the bit), with the same results as the processor's.
///
/// Thread safe; one call is worked on at a time. What fails, takes too long or is interrupted ends
/// the process: later calls fail then. It also ends when this one does.
public final class GpuWorker implements AutoCloseable {
  /// What was found.
  ///
  /// @param gpus none if there is a problem
  /// @param problem why none was found, in one sentence for the user; empty if some were
  public record Found(List<Gpu> gpus, String problem) {
    public Found {
      gpus = List.copyOf(gpus);
    }
  }

  /// What a GPU's memory was filled with.
  ///
  /// @param digests of each chunk that found room, in order
  /// @param walk the words that were read on the way, [#WALKS_PER_CHUNK] for each chunk
  @SuppressWarnings("ArrayRecordComponent") // never compared
  public record Filled(long[] digests, long[] walk) {}

  /// Steps of the walk for each chunk.
  public static final int WALKS_PER_CHUNK = dev.perseid.core.Limits.WALKS_PER_CHUNK;

  /// How its process is started, beyond what is always so.
  ///
  /// @param environment put over this process's own
  /// @param flags of the JVM
  record Setting(Map<String, String> environment, List<String> flags, long callMs) {
    static final Setting USUAL = new Setting(Map.of(), List.of(), Limits.GPU_CALL_MS);
  }

  private final Process process;
  private final long callMs;
  private final DataOutputStream questions;
  private final BlockingQueue<GpuFrames.Answer> answers = new ArrayBlockingQueue<>(2);
  private final LastWords lastWords = new LastWords();
  private final ReentrantLock turn = new ReentrantLock();

  /// Why there is no use in asking any more; empty while there is.
  private volatile String over = "";

  private GpuWorker(Path directory, Setting setting) throws IOException {
    callMs = setting.callMs();
    process = launch(directory, setting);
    questions = new DataOutputStream(new BufferedOutputStream(process.getOutputStream()));
    Thread.ofPlatform().daemon().name("gpu-answers").start(this::listen);
    Thread.ofPlatform()
        .daemon()
        .name("gpu-errors")
        .start(() -> lastWords.listen(process.getErrorStream()));
  }

  private static Process launch(Path directory, Setting setting) throws IOException {
    Path own = Files.createDirectories(directory.toAbsolutePath().normalize());
    List<String> command = new ArrayList<>();
    // Drivers may print; answers are written where they do not.
    command.addAll(List.of("/bin/sh", "-c", "exec 3>&1 1>&2; exec \"$@\"", "sh"));
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow", // LWJGL uses it
            "-Xmx" + Limits.GPU_HEAP_MIB + "m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-XX:-CreateCoredumpOnCrash",
            "-XX:ErrorFile=" + own.resolve("crash.log"),
            "-Djava.io.tmpdir=" + own,
            "-Dorg.lwjgl.system.SharedLibraryExtractPath=" + own.resolve("lwjgl"),
            "-Dorg.lwjgl.opencl.explicitInit=true"));
    if (System.getProperty("os.name").equals("Linux")) {
      // The name without a number comes only with what is needed to build programs.
      command.add("-Dorg.lwjgl.opencl.libname=libOpenCL.so.1");
    }
    command.addAll(setting.flags());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), GpuMain.class.getName()));
    ProcessBuilder builder = new ProcessBuilder(command);
    // The rest stays: with it users tell drivers which GPUs to show.
    Map<String, String> environment = builder.environment();
    environment.put("CUDA_CACHE_PATH", own.resolve("cache").toString());
    environment.put("POCL_CACHE_DIR", own.resolve("cache").toString());
    environment.put("XDG_CACHE_HOME", own.resolve("cache").toString());
    environment.putAll(setting.environment());
    return builder.start();
  }

  /// Starts a process, asks it which GPUs there are, and ends it. Takes the time in which a JVM
  /// starts and drivers wake the hardware: seconds.
  ///
  /// @param directory private scratch folder of one process at a time; compiled kernels stay there
  /// @param processorsToo whether processors that OpenCL offers as devices count, too: to try
  ///   things out without a GPU
  /// @return never fails for want of OpenCL, or because a driver does: that is a [Found#problem]
  public static Found find(Path directory, boolean processorsToo) throws InterruptedException {
    return find(directory, processorsToo, Setting.USUAL);
  }

  static Found find(Path directory, boolean processorsToo, Setting setting)
      throws InterruptedException {
    try (GpuWorker worker = new GpuWorker(directory, setting)) {
      GpuFrames.Answer answer =
          worker.ask(new GpuFrames.Ask.Find(processorsToo), Limits.GPU_START_MS);
      return answer instanceof GpuFrames.Answer.Found(Found found)
          ? found
          : new Found(List.of(), "The process that looks for GPUs gave no answer to that.");
    } catch (IOException e) {
      return new Found(List.of(), "No GPU can be used: " + e.getMessage() + ".");
    }
  }

  /// Starts a process that uses these GPUs, and waits until it is ready to. Takes seconds, more of
  /// them the first time in this folder: kernels are compiled.
  ///
  /// @param directory private scratch folder for this process's files; no other process may use it
  ///   at the same time
  /// @param gpus as they were found; at least one
  /// @throws IOException if one of them is not there any more, or cannot be used; or if the thread
  ///   was interrupted, which it stays
  public static GpuWorker start(Path directory, List<Gpu> gpus) throws IOException {
    return start(directory, gpus, Setting.USUAL);
  }

  static GpuWorker start(Path directory, List<Gpu> gpus, Setting setting) throws IOException {
    if (gpus.isEmpty() || gpus.size() > Limits.GPUS) {
      throw new IllegalArgumentException("1 to " + Limits.GPUS + " GPUs, not " + gpus.size());
    }
    GpuWorker worker = new GpuWorker(directory, setting);
    boolean ready = false;
    try {
      ready =
          worker.ask(new GpuFrames.Ask.Open(gpus), Limits.GPU_START_MS)
              instanceof GpuFrames.Answer.Opened;
      if (!ready) {
        throw new Frames.Garbage("it did not say that it is ready");
      }
      return worker;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while the GPUs were made ready");
    } finally {
      if (!ready) {
        worker.close();
      }
    }
  }

  /// Makes links: lane n of them runs on GPU n % (number of GPUs), on all GPUs at once; each lane
  /// makes its links one after the other.
  ///
  /// @param lanes at least 1
  /// @param length links of each lane, at least 1; at most 4,194,304 of all lanes together
  /// @return digests, lane by lane: `lanes * length`
  public long[] links(long seed, int lanes, int length) throws IOException, InterruptedException {
    if (lanes < 1 || length < 1 || (long) lanes * length > Limits.GPU_DIGESTS) {
      throw new IllegalArgumentException(lanes + " lanes of " + length + " links");
    }
    GpuFrames.Answer.Done done = work(new GpuFrames.Ask.Links(seed, lanes, length));
    if (done.digests().length != lanes * length) {
      throw fail("it answered with " + done.digests().length + " links");
    }
    return done.digests();
  }

  /// Fills memory, and walks over it: chunk c is held on GPU c % (number of GPUs). If a GPU has no
  /// room for its next chunk, only the chunks before that one are shown. Then the walk over all
  /// chunks shown.
  ///
  /// @param chunks at least 1, at most 262,144
  /// @param chunkWords words of 64 bits in each, a power of two
  public Filled memory(long seed, int chunks, int chunkWords)
      throws IOException, InterruptedException {
    if (chunks < 1
        || chunks > Limits.GPU_DIGESTS / WALKS_PER_CHUNK
        || chunkWords < 1
        || Integer.bitCount(chunkWords) != 1) {
      throw new IllegalArgumentException(chunks + " chunks of " + chunkWords + " words");
    }
    GpuFrames.Answer.Done done = work(new GpuFrames.Ask.Memory(seed, chunks, chunkWords));
    if (done.digests().length > chunks
        || done.walk().length != done.digests().length * WALKS_PER_CHUNK) {
      throw fail(
          "it answered with "
              + done.digests().length
              + " chunks and "
              + done.walk().length
              + " steps");
    }
    return new Filled(done.digests(), done.walk());
  }

  private GpuFrames.Answer.Done work(GpuFrames.Ask ask) throws IOException, InterruptedException {
    if (ask(ask, callMs) instanceof GpuFrames.Answer.Done done) {
      return done;
    }
    throw fail("it gave no answer to what was asked");
  }

  private GpuFrames.Answer ask(GpuFrames.Ask ask, long limitMs)
      throws IOException, InterruptedException {
    turn.lockInterruptibly();
    boolean answered = false;
    try {
      if (!over.isEmpty()) {
        throw new IOException("the process that uses GPUs is gone: " + over);
      }
      try {
        GpuFrames.write(questions, ask);
      } catch (IOException e) {
        // It has ended; why is the last that is heard of it.
      }
      GpuFrames.Answer answer = answers.poll(limitMs, TimeUnit.MILLISECONDS);
      if (answer == null) {
        throw fail("it did not answer within " + limitMs + " ms");
      }
      if (answer instanceof GpuFrames.Answer.Failed(String why)) {
        throw fail(why);
      }
      answered = true;
      return answer;
    } finally {
      if (!answered) {
        end("interrupted");
      }
      turn.unlock();
    }
  }

  private IOException fail(String why) {
    end(why);
    return new IOException("the process that uses GPUs failed: " + why);
  }

  private void end(String why) {
    synchronized (this) {
      if (over.isEmpty()) {
        over = why;
      }
    }
    var _ = process.destroyForcibly();
  }

  /// Reads answers up to its end, which is an answer too.
  private void listen() {
    String why = "it ended";
    try {
      DataInputStream from =
          new DataInputStream(new BufferedInputStream(process.getInputStream(), 1 << 16));
      while (answers.offer(GpuFrames.readAnswer(from))) {}
      why = "it answered what nobody asked";
      answers.clear();
    } catch (EOFException e) {
      why = "it ended";
    } catch (IOException e) {
      why = "it answered nonsense: " + e.getMessage();
    }
    var _ = process.destroyForcibly();
    try {
      if (process.waitFor(Limits.CLOSE_MS, TimeUnit.MILLISECONDS)) {
        why += " (exit code " + process.exitValue() + ")";
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    String said = lastWords.text();
    var _ = answers.offer(new GpuFrames.Answer.Failed(why + (said.isEmpty() ? "" : ": " + said)));
  }

  /// Its process id.
  long pid() {
    return process.pid();
  }

  /// Kills the process, and waits until it is gone; one that a driver holds in the kernel goes when
  /// the driver lets go of it.
  @Override
  public void close() {
    end("it was closed");
    try {
      var _ = process.waitFor(Limits.CLOSE_MS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
