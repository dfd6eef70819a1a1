package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/// The process that uses GPUs, with an OpenCL that runs on the processor. What it computes is
/// compared with docs/capability.md, done here once more in plain Java.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GpuWorkerTest {
  private static final int ENDLESS_LENGTH = 1 << 20;

  private Path folder;
  private GpuWorker.Setting pocl;
  private Gpu gpu;

  /// Twice the same device, as if there were two.
  private GpuWorker worker;

  @BeforeAll
  void open(@TempDir Path shared) throws Exception {
    folder = shared;
    pocl = setting(Map.of(), 120_000);
    GpuWorker.Found found = GpuWorker.find(folder.resolve("find"), true, pocl);
    assertThat(found.gpus()).as(found.problem()).hasSize(1);
    assertThat(found.problem()).isEmpty();
    gpu = found.gpus().getFirst();
    worker = GpuWorker.start(folder.resolve("worker"), List.of(gpu, gpu), pocl);
  }

  @AfterAll
  void close() {
    worker.close();
    assertThat(isRunning(worker)).isFalse();
  }

  /// Only this OpenCL is seen, whatever else the machine has, and kernels are compiled once.
  private GpuWorker.Setting setting(Map<String, String> more, long callMs) throws IOException {
    return new GpuWorker.Setting(environment(folder, more), List.of(), callMs);
  }

  static Map<String, String> environment(Path folder, Map<String, String> more) throws IOException {
    Path driver = Path.of("/etc/OpenCL/vendors/pocl.icd");
    assertThat(driver).as("Debian: apt-get install pocl-opencl-icd").exists();
    Path drivers = Files.createDirectories(folder.resolve("drivers"));
    Files.write(drivers.resolve("pocl.icd"), Files.readAllBytes(driver));
    Map<String, String> all = new HashMap<>(more);
    all.put("OCL_ICD_VENDORS", drivers.toString());
    all.put("POCL_CACHE_DIR", folder.resolve("cache").toString());
    return all;
  }

  private static boolean isRunning(GpuWorker worker) {
    return ProcessHandle.of(worker.pid()).filter(ProcessHandle::isAlive).isPresent();
  }

  @Test
  void aProcessorIsFoundWhereThatIsAskedFor() {
    assertThat(gpu.name()).isNotBlank();
    assertThat(gpu.memoryBytes()).isGreaterThan(256L << 20);
    assertThat(gpu.slot()).isEmpty();
    assertThat(gpu.deviceFiles()).isEmpty();
  }

  @Test
  void aProcessorIsNoGpu() throws Exception {
    GpuWorker.Found found = GpuWorker.find(folder.resolve("gpus"), false, pocl);
    assertThat(found.gpus()).isEmpty();
    assertThat(found.problem()).contains("no GPU here, only processors");
  }

  @Test
  void withoutAnOpenClLibraryItSaysWhichPackageHasIt() throws Exception {
    List<String> nowhere = List.of("-Dorg.lwjgl.opencl.libname=/nowhere/libOpenCL.so.1");
    GpuWorker.Found found =
        GpuWorker.find(
            folder.resolve("missing"), true, new GpuWorker.Setting(Map.of(), nowhere, 1));
    assertThat(found.gpus()).isEmpty();
    assertThat(found.problem())
        .isEqualTo(
            "No OpenCL library is installed, so that no GPU can be used (Debian: apt-get install"
                + " ocl-icd-libopencl1, and the OpenCL driver of the GPU's maker).");
  }

  @Test
  void withoutADriverItSaysThatOneIsMissing() throws Exception {
    Path none = Files.createDirectory(folder.resolve("none"));
    Map<String, String> environment = Map.of("OCL_ICD_VENDORS", none.toString());
    GpuWorker.Found found =
        GpuWorker.find(
            folder.resolve("undriven"), true, new GpuWorker.Setting(environment, List.of(), 1));
    assertThat(found.gpus()).isEmpty();
    assertThat(found.problem()).contains("no driver with a device here").endsWith(".");
  }

  @Test
  void aProcessThatDoesNotStartIsAProblemAndNoException() throws Exception {
    List<String> wrong = List.of("-XX:+NoSuchFlag");
    GpuWorker.Found found =
        GpuWorker.find(folder.resolve("wrong"), true, new GpuWorker.Setting(Map.of(), wrong, 1));
    assertThat(found.gpus()).isEmpty();
    assertThat(found.problem()).startsWith("No GPU can be used: ").contains("NoSuchFlag");
    Path file = Files.writeString(folder.resolve("file"), "");
    assertThat(GpuWorker.find(file, true, pocl).problem()).startsWith("No GPU can be used: ");
  }

  @Test
  void whatDriversPrintIsNoAnswer() throws Exception {
    List<String> loud = List.of("-Xlog:all=info:stdout");
    Map<String, String> environment = environment(folder, Map.of());
    GpuWorker.Found found =
        GpuWorker.find(folder.resolve("loud"), true, new GpuWorker.Setting(environment, loud, 1));
    assertThat(found).isEqualTo(new GpuWorker.Found(found.gpus(), ""));
    assertThat(found.gpus()).extracting(Gpu::name).containsExactly(gpu.name());
  }

  @Test
  void moreAtOnceIsDoneInSmallerSlices() {
    assertThat(GpuDevice.slice(8_192, 1)).isEqualTo(8_192);
    assertThat(GpuDevice.slice(8_192, 4_096)).isEqualTo(8_192);
    assertThat(GpuDevice.slice(8_192, 40_960)).isEqualTo(819);
    assertThat(GpuDevice.slice(8_192, 1 << 30)).isEqualTo(1);
    assertThat(GpuDevice.slice(8_192, 0)).isEqualTo(8_192);
  }

  @Test
  void linksAreTheSameAsTheProcessorsOnEachOfTwo() throws Exception {
    assertThat(worker.links(42, 1, 1)).containsExactly(-7671757536233899845L);
    long[] digests = worker.links(-9, 5, 2);
    assertThat(digests).hasSize(10);
    for (int lane = 0; lane < 5; lane++) {
      long first = Plain.link(Plain.start(-9, lane));
      assertThat(digests[2 * lane]).as("lane %d", lane).isEqualTo(first);
      assertThat(digests[2 * lane + 1]).as("lane %d", lane).isEqualTo(Plain.link(first));
    }
  }

  @Test
  void memoryIsTheSameAsTheProcessorsOnEachOfTwo() throws Exception {
    GpuWorker.Filled golden = worker.memory(42, 3, 4_096);
    assertThat(golden.digests()[0]).isEqualTo(-3189786705607067429L);
    assertThat(golden.walk()[0]).isEqualTo(4722396018030744319L);
    assertFilled(worker.memory(7, 7, 4_096), 7, 7, 4_096);
    assertFilled(worker.memory(8, 1, 1), 8, 1, 1);
    // More than a step looks back, and than is done at once.
    assertFilled(worker.memory(-1, 3, 1 << 18), -1, 3, 1 << 18);
  }

  private static void assertFilled(GpuWorker.Filled filled, long seed, int chunks, int words) {
    long[][] plain = new long[chunks][];
    for (int c = 0; c < chunks; c++) {
      plain[c] = Plain.chunk(seed, c, words);
    }
    long[] digests = Arrays.stream(plain).mapToLong(chunk -> chunk[words - 1]).toArray();
    assertThat(filled.digests()).containsExactly(digests);
    assertThat(filled.walk()).containsExactly(Plain.walk(seed, plain));
  }

  @Test
  void whatHasNoRoomIsNotShown() throws Exception {
    long chunk = 8 * 4_096;
    Gpu small = new Gpu(gpu.index(), gpu.name(), 2 * chunk + 1, "", List.of());
    Gpu large = new Gpu(gpu.index(), gpu.name(), 5 * chunk, "", List.of());
    try (GpuWorker one = GpuWorker.start(folder.resolve("one"), List.of(large), pocl)) {
      assertFilled(one.memory(3, 8, 4_096), 3, 5, 4_096);
      assertFilled(one.memory(4, 5, 4_096), 4, 5, 4_096);
    }
    // Chunks 0, 2, 4 belong to the small one.
    try (GpuWorker two = GpuWorker.start(folder.resolve("two"), List.of(small, large), pocl)) {
      assertFilled(two.memory(5, 8, 4_096), 5, 4, 4_096);
      GpuWorker.Filled none = two.memory(6, 2, 1 << 17);
      assertThat(none.digests()).isEmpty();
      assertThat(none.walk()).isEmpty();
    }
  }

  @Test
  void memoryMayTakeSeveralBuffers() throws Exception {
    // The driver gives at most a quarter of its memory at once.
    GpuWorker.Setting little = setting(Map.of("POCL_MEMORY_LIMIT", "1"), 120_000);
    try (GpuWorker one = GpuWorker.start(folder.resolve("buffers"), List.of(gpu), little)) {
      assertFilled(one.memory(11, 5, 1 << 23), 11, 5, 1 << 23);
    }
  }

  @Test
  void aGpuThatIsGoneIsNotOpened() {
    Gpu gone = new Gpu(gpu.index(), "another", gpu.memoryBytes(), "", List.of());
    assertThatThrownBy(() -> GpuWorker.start(folder.resolve("gone"), List.of(gone), pocl))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("another is not there any more as it was found");
  }

  @Test
  void whatMakesNoSenseIsABug() {
    assertThatThrownBy(() -> worker.links(1, 0, 1)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> worker.links(1, 1 << 20, 1 << 20))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> worker.memory(1, 1, 1_000))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> GpuWorker.start(folder, List.of()))
        .isInstanceOf(IllegalArgumentException.class);
  }

  /// A call that would take hours, on a thread of its own; comes back when that thread waits.
  private static FutureTask<long[]> endless(GpuWorker on, Thread[] thread) {
    FutureTask<long[]> call = new FutureTask<>(() -> on.links(1, 4, ENDLESS_LENGTH));
    thread[0] = Thread.ofPlatform().daemon().start(call);
    while (thread[0].getState() != Thread.State.TIMED_WAITING && !call.isDone()) {
      Thread.onSpinWait();
    }
    return call;
  }

  private static Throwable failure(FutureTask<long[]> call) throws Exception {
    try {
      long[] digests = call.get(60, TimeUnit.SECONDS);
      throw new AssertionError("it ended with " + digests.length + " digests");
    } catch (ExecutionException e) {
      return e.getCause();
    }
  }

  private static void assertOver(GpuWorker over, String why) throws Exception {
    Optional<ProcessHandle> left = ProcessHandle.of(over.pid());
    if (left.isPresent()) {
      assertThat(left.get().onExit().get(60, TimeUnit.SECONDS).isAlive()).isFalse();
    }
    assertThatThrownBy(() -> over.links(1, 1, 1))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("the process that uses GPUs is gone")
        .hasMessageContaining(why);
  }

  @Test
  void aProcessThatIsKilledFailsTheCall() throws Exception {
    try (GpuWorker one = GpuWorker.start(folder.resolve("killed"), List.of(gpu), pocl)) {
      FutureTask<long[]> call = endless(one, new Thread[1]);
      String pid = Long.toString(one.pid());
      assertThat(new ProcessBuilder("kill", "-KILL", pid).start().waitFor()).isZero();
      assertThat(failure(call))
          .isInstanceOf(IOException.class)
          .hasMessageStartingWith("the process that uses GPUs failed: it ended (exit code 137)");
      assertOver(one, "it ended");
    }
  }

  @Test
  void aProcessThatHangsFailsTheCallInTime() throws Exception {
    try (GpuWorker one =
        GpuWorker.start(folder.resolve("hangs"), List.of(gpu), setting(Map.of(), 300))) {
      String pid = Long.toString(one.pid());
      assertThat(new ProcessBuilder("kill", "-STOP", pid).start().waitFor()).isZero();
      assertThatThrownBy(() -> one.links(1, 1, 1))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("it did not answer within 300 ms");
      assertOver(one, "it did not answer");
    }
  }

  @Test
  void anInterruptEndsTheCallAndTheProcess() throws Exception {
    try (GpuWorker one = GpuWorker.start(folder.resolve("interrupted"), List.of(gpu), pocl)) {
      Thread[] thread = new Thread[1];
      FutureTask<long[]> call = endless(one, thread);
      thread[0].interrupt();
      assertThat(failure(call)).isInstanceOf(InterruptedException.class);
      assertOver(one, "interrupted");
    }
  }

  @Test
  void closingEndsTheCallAndTheProcess() throws Exception {
    GpuWorker one = GpuWorker.start(folder.resolve("closed"), List.of(gpu), pocl);
    FutureTask<long[]> call = endless(one, new Thread[1]);
    one.close();
    assertThat(isRunning(one)).isFalse();
    assertThat(failure(call)).isInstanceOf(IOException.class);
    assertOver(one, "it was closed");
  }

  @Test
  void itDoesNotOutliveTheProcessThatStartedIt() throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                GpuParent.class.getName(),
                folder.resolve("orphan").toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT);
    builder.environment().putAll(environment(folder, Map.of()));
    Process parent = builder.start();
    try (BufferedReader said = parent.inputReader(StandardCharsets.UTF_8)) {
      String pid = said.readLine();
      assertThat(pid).as("what it says when its worker is busy").isNotNull();
      ProcessHandle child = ProcessHandle.of(Long.parseLong(pid)).orElseThrow();
      CompletableFuture<ProcessHandle> end = child.onExit();
      assertThat(child.isAlive()).isTrue();
      var _ = parent.destroyForcibly();
      assertThat(end.get(60, TimeUnit.SECONDS).isAlive()).isFalse();
    } finally {
      var _ = parent.destroyForcibly();
    }
  }

  /// docs/capability.md, step by step.
  static final class Plain {
    private Plain() {}

    static long step(long x, long i) {
      x ^= x >>> 12;
      x ^= x << 25;
      x ^= x >>> 27;
      return x * 0x2545F4914F6CDD1DL + i;
    }

    static long start(long seed, long n) {
      long z = seed + (n + 2) * 0x9E3779B97F4A7C15L;
      z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
      z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
      return z ^ (z >>> 31);
    }

    static long link(long d) {
      long digest = 0;
      for (int c = 0; c < 32; c++) {
        long x = start(d, c);
        for (int i = 0; i < 1 << 18; i++) {
          x = step(x, i);
        }
        digest = step(digest ^ x, c);
      }
      return digest;
    }

    static long[] chunk(long seed, int c, int words) {
      long[] word = new long[words];
      long x = start(seed, c);
      for (int i = 0; i < words; i++) {
        if (i > 0) {
          x += Long.rotateLeft(word[(int) (i - 1 - ((x >>> 32) * Math.min(i, 65536) >>> 32))], 23);
        }
        x = step(x, i);
        word[i] = x;
      }
      return word;
    }

    static long[] walk(long seed, long[][] chunks) {
      int n = chunks.length;
      long y = start(seed, -1);
      for (long[] chunk : chunks) {
        y = step(y ^ chunk[chunk.length - 1], 0);
      }
      long[] walk = new long[16 * n];
      for (int k = 1; k <= walk.length; k++) {
        long[] chunk = chunks[(int) ((y >>> 32) * n >>> 32)];
        long v = chunk[(int) (y & (chunk.length - 1))];
        walk[k - 1] = v;
        y = step(y ^ v, k);
      }
      return walk;
    }
  }
}
