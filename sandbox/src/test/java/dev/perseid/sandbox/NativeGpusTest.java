package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Hash;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/// Native programs with GPUs, in real containers: with an OpenCL that runs on the processor, and
/// with files that stand in for those of GPUs.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class NativeGpusTest {
  private static final RunLimits ROOMY = new RunLimits(0, 1L << 30, 1 << 20, 60_000);
  private static final Gpu PROCESSOR = new Gpu(0, "a processor", 1 << 30, "", List.of());

  private final AtomicLong ids = new AtomicLong();
  private Path folder;
  private Natives natives;

  /// In `/dev` on every machine: links to a device that nobody can harm.
  private Path devices;

  private Gpu first;
  private Gpu second;

  @BeforeAll
  void open(@TempDir Path shared) throws IOException {
    folder = shared;
    natives = Natives.open(shared.resolve("natives"));
    assertThat(natives.isolation().kind())
        .as(natives.isolation().reason())
        .isEqualTo(Isolation.Kind.BUBBLEWRAP);
    devices = Files.createTempDirectory(Path.of("/dev/shm"), "perseid-gpus");
    first = standIn("first");
    second = standIn("second");
  }

  private Gpu standIn(String name) throws IOException {
    Path file = Files.createSymbolicLink(devices.resolve(name), Path.of("/dev/zero"));
    return new Gpu(0, name, 1 << 30, "", List.of(file));
  }

  @AfterAll
  void close() {
    natives.close();
    Folders.delete(devices);
  }

  private Execution execution(String body, List<Gpu> gpus) throws IOException {
    byte[] script = ("#!/bin/sh\n" + body + "\n").getBytes(StandardCharsets.UTF_8);
    long id = ids.incrementAndGet();
    Path file = Files.write(folder.resolve("program-" + id), script);
    byte[] sha256 = Hash.sha256(script).bytes();
    return natives
        .run(new Program(id, file, sha256, List.of(), List.of(), 1, 1, ROOMY, gpus))
        .join();
  }

  private String run(String body, List<Gpu> gpus) throws IOException {
    Execution e = execution(body, gpus);
    assertThat(e.verdict()).as(e.log()).isInstanceOf(Verdict.Done.class);
    return new String(((Output.Inline) e.outputs().getFirst()).bytes(), StandardCharsets.UTF_8);
  }

  @Test
  void aProgramWithAGpuFindsItByOpenCl() throws IOException {
    assertThat(Path.of("/usr/bin/clinfo")).as("Debian: apt-get install clinfo").exists();
    assertThat(run("clinfo -l > /out/0", List.of(PROCESSOR)))
        .as("Debian: apt-get install pocl-opencl-icd")
        .containsSubsequence("Portable Computing Language", "Device #0");
  }

  @Test
  void aProgramWithoutGpusFindsNone() throws IOException {
    assertThat(run("clinfo -l > /out/0 2>&1; echo told >> /out/0", List.of()))
        .doesNotContain("Platform #", "Device #")
        .endsWith("told\n");
    assertThat(
            run(
                "for f in /etc/OpenCL /sys; do ls -d $f; done > /out/0 2>/dev/null; true",
                List.of()))
        .isEmpty();
  }

  @Test
  void aProgramWithoutGpusIsNotToldByDriversWhichThereAre() throws IOException {
    assertThat(Path.of("/proc/driver")).isDirectory();
    String look =
        "grep -c ' /proc/driver ro' /proc/self/mountinfo > /out/0; ls /proc/driver >> /out/0";
    assertThat(run(look, List.of())).isEqualTo("1\n");
    assertThat(run(look, List.of(PROCESSOR))).startsWith("0\n");
  }

  @Test
  void aProgramIsToldHowManyItHas() throws IOException {
    String tell = "echo $PERSEID_GPUS > /out/0";
    assertThat(run(tell, List.of())).isEqualTo("0\n");
    assertThat(run(tell, List.of(first, second))).isEqualTo("2\n");
  }

  @Test
  void aProgramCanUseTheFilesOfItsOwnGpusAndSeesNoOthers() throws IOException {
    // Tells which there are, and reads and writes them as the devices that they are.
    String use =
        "cd "
            + devices
            + " 2>/dev/null || exit 0; for f in *; do [ -c $f ] && echo x > $f"
            + " && [ $(head -c 3 $f | wc -c) = 3 ] && echo $f; done > /out/0; true";
    assertThat(run(use, List.of(first))).isEqualTo("first\n");
    assertThat(run(use, List.of(second))).isEqualTo("second\n");
    assertThat(run(use, List.of(first, second, first))).isEqualTo("first\nsecond\n");
    assertThat(run(use, List.of(PROCESSOR))).isEmpty();
    assertThat(run(use, List.of())).isEmpty();
  }

  @Test
  void nothingElseThatItSeesCanBeWritten() throws IOException {
    String mounts = run("cut -d' ' -f5,6 /proc/self/mountinfo > /out/0", List.of(first));
    List<String> shown = mounts.lines().filter(line -> line.matches("/(sys|etc)\\b.*")).toList();
    assertThat(shown).anyMatch(line -> line.startsWith("/sys/devices/system "));
    assertThat(shown).anyMatch(line -> line.startsWith("/etc/OpenCL "));
    assertThat(shown).allMatch(line -> line.matches("\\S+ ro,.*"));
    assertThat(mounts.lines()).anyMatch(line -> line.startsWith("/dev ro,"));
    assertThat(run("ls /sys /sys/devices > /out/0", List.of(first)).lines())
        .doesNotContain("block", "firmware", "kernel", "module", "power");
  }

  @Test
  void aGpuWhoseFileIsGoneIsTheProvidersFailure() throws IOException {
    Gpu gone = new Gpu(0, "gone", 1, "", List.of(devices.resolve("gone")));
    Execution e = execution("true", List.of(gone));
    assertThat(e.verdict())
        .isInstanceOfSatisfying(
            Verdict.Failed.class,
            failed -> {
              assertThat(failed.kind()).isEqualTo(Verdict.Kind.NOT_STARTED);
              assertThat(failed.message()).contains("gone");
            });
  }

  @Test
  void onlyWhatIsInDevIsAGpusFile() throws IOException {
    for (String odd : List.of("/etc/shadow", "/dev/../etc/shadow", "dev/zero", "/devices")) {
      Gpu gpu = new Gpu(0, "odd", 1, "", List.of(Path.of(odd)));
      assertThat(execution("true", List.of(gpu)).verdict())
          .isEqualTo(
              new Verdict.Failed(
                  Verdict.Kind.NOT_STARTED,
                  "a GPU's files are in /dev: " + odd + " of odd is not"));
    }
  }
}
