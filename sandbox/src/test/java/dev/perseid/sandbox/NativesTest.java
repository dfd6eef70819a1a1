package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Hash;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Native programs in real containers, most of them up to no good.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class NativesTest {
  private static final RunLimits ROOMY = new RunLimits(0, 256L << 20, 4L << 20, 60_000);

  private final AtomicLong ids = new AtomicLong();
  private Path folder;
  private Natives natives;

  @BeforeAll
  void open(@TempDir Path shared) {
    folder = shared;
    natives = Natives.open(shared.resolve("natives"));
    assertThat(natives.isolation().kind())
        .as(natives.isolation().reason())
        .isEqualTo(Isolation.Kind.BUBBLEWRAP);
  }

  @AfterAll
  void close() throws IOException {
    assertThat(folder.resolve("natives/runs")).isEmptyDirectory();
    natives.close();
    assertThat(folder.resolve("natives/runs")).doesNotExist();
  }

  private Program script(String body, RunLimits limits, int outputs, List<Input> inputs) {
    return program(
        ("#!/bin/sh\n" + body + "\n").getBytes(StandardCharsets.UTF_8), limits, outputs, inputs);
  }

  private Program program(byte[] bytes, RunLimits limits, int outputs, List<Input> inputs) {
    long id = ids.incrementAndGet();
    try {
      Path file = Files.write(folder.resolve("program-" + id), bytes);
      return new Program(
          id,
          file,
          Hash.sha256(bytes).bytes(),
          List.of("one", "two words"),
          inputs,
          outputs,
          2,
          limits);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Execution run(String body) {
    return natives.run(script(body, ROOMY, 1, List.of())).join();
  }

  private static String text(Execution e) {
    assertThat(e.verdict()).as(e.log()).isInstanceOf(Verdict.Done.class);
    return switch (e.outputs().getFirst()) {
      case Output.Inline o -> new String(o.bytes(), StandardCharsets.UTF_8);
      case Output.File o -> {
        try {
          String text = Files.readString(o.path());
          Files.delete(o.path());
          yield text;
        } catch (IOException x) {
          throw new UncheckedIOException(x);
        }
      }
    };
  }

  private static Verdict.Kind failed(Execution e) {
    assertThat(e.verdict()).as(e.log()).isInstanceOf(Verdict.Failed.class);
    return ((Verdict.Failed) e.verdict()).kind();
  }

  private static String message(Execution e) {
    return ((Verdict.Failed) e.verdict()).message();
  }

  @Test
  void itReadsInputsAndWritesOutputs() throws IOException {
    Path large = Files.write(folder.resolve("large"), new byte[200_000]);
    Execution e =
        natives
            .run(
                script(
                    "cat /in/0 > /out/0; cat /in/1 >> /out/0; echo \"$1|$2|$#|$PERSEID_INPUTS\" >"
                        + " /out/1; echo said",
                    ROOMY,
                    3,
                    List.of(
                        new Input.Inline("in ".getBytes(StandardCharsets.UTF_8)),
                        new Input.File(large, 200_000))))
            .join();
    assertThat(e.verdict()).as(e.log()).isInstanceOf(Verdict.Done.class);
    assertThat(e.outputs()).extracting(Output::size).containsExactly(200_003L, 18L, 0L);
    assertThat(e.outputs().getFirst()).isInstanceOf(Output.File.class);
    assertThat(((Output.Inline) e.outputs().get(1)).bytes())
        .asString(StandardCharsets.UTF_8)
        .isEqualTo("one|two words|2|2\n");
    assertThat(e.log().strip()).isEqualTo("said");
    assertThat(e.usage().gas()).isEmpty();
    assertThat(e.usage().wallNs()).isPresent();
    assertThat(e.usage().bytesIn()).isEqualTo(3 + 9 + 3 + 200_000);
    assertThat(e.usage().bytesOut()).isEqualTo(200_003 + 18);
    text(e);
  }

  @Test
  void realProgramsRunToo() throws IOException {
    // An ELF file of this machine.
    Execution e =
        natives
            .run(
                program(Files.readAllBytes(Path.of("/bin/true").toRealPath()), ROOMY, 0, List.of()))
            .join();
    assertThat(e.verdict()).as(e.log()).isInstanceOf(Verdict.Done.class);
  }

  @Test
  void itReachesNoNetwork() throws IOException {
    try (ServerSocket listener = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      String said =
          text(
              natives
                  .run(
                      program(
                          ("#!/bin/bash\n(exec 3<>/dev/tcp/127.0.0.1/"
                                  + listener.getLocalPort()
                                  + ") 2>/dev/null && echo reached > /out/0 || echo alone > /out/0\n")
                              .getBytes(StandardCharsets.UTF_8),
                          ROOMY,
                          1,
                          List.of()))
                  .join());
      assertThat(said).isEqualTo("alone\n");
    }
  }

  @Test
  void itSeesNothingOfThisMachine() throws IOException {
    Path secret = Files.writeString(folder.resolve("secret"), "x");
    String said =
        text(
            run(
                "for f in "
                    + secret
                    + " /etc/shadow /home /root /var /run /sys; do [ -e $f ] && echo $f; done >"
                    + " /out/0; id -u >> /out/0; hostname >> /out/0; env | grep -c JAVA >> /out/0;"
                    + " true"));
    assertThat(said.lines()).containsExactly("65534", "sandbox", "0");
  }

  @Test
  void itCannotMakeNamespacesOfItsOwn() {
    assertThat(text(run("unshare -U true 2>/dev/null && echo yes > /out/0 || echo no > /out/0")))
        .isEqualTo("no\n");
  }

  @Test
  void whatItLeavesRunningIsGone() throws Exception {
    String mark = "3" + System.nanoTime() % 1_000_000_000;
    Execution e = run("(setsid sleep " + mark + " &) ; (sleep " + mark + " &) ; echo ok > /out/0");
    assertThat(text(e)).isEqualTo("ok\n");
    assertThat(
            ProcessHandle.allProcesses()
                .filter(
                    p -> p.info().arguments().map(a -> List.of(a).contains(mark)).orElse(false)))
        .isEmpty();
  }

  @Test
  void outputsThatAreNoFilesAreNotFollowed() {
    for (String how :
        List.of(
            "ln -s /etc/passwd /out/0",
            "ln -s /etc/shadow /out/0",
            "mkfifo /out/0",
            "mkdir /out/0")) {
      Execution e = run(how);
      assertThat(failed(e)).as(how).isEqualTo(Verdict.Kind.TRAP);
      assertThat(message(e)).isEqualTo("its output 0 is no plain file");
    }
  }

  @Test
  void outputsThatNobodyMayReadAreRead() {
    assertThat(text(run("echo x > /out/0; chmod 000 /out/0; chmod 000 /out"))).isEqualTo("x\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"exit 3", "echo bad >&2; kill -SEGV $$", "nosuchprogram"})
  void whatEndsBadlyHasFailed(String body) {
    assertThat(failed(run(body))).isEqualTo(Verdict.Kind.EXIT_CODE);
  }

  @Test
  void aFailureSaysWhatTheProgramSaidLast() {
    assertThat(message(run("echo first; echo 'it is cold' >&2; exit 9")))
        .isEqualTo("it ended with exit code 9, and said: it is cold");
  }

  @Test
  void memoryIsLimited() {
    RunLimits little = new RunLimits(0, 64L << 20, 1 << 20, 60_000);
    String body = "python3 -c \"import time; x = bytearray(100 << 20); time.sleep(60)\"";
    // Without Python the same with a shell: a text that doubles.
    String shell = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
    Execution e =
        natives
            .run(
                script(
                    Files.isExecutable(Path.of("/usr/bin/python3")) ? body : shell,
                    little,
                    0,
                    List.of()))
            .join();
    assertThat(failed(e)).isIn(Verdict.Kind.MEMORY_LIMIT, Verdict.Kind.EXIT_CODE);
  }

  @Test
  void manyProcessesAreEnded() {
    Execution e = run("i=0; while [ $i -lt 2000 ]; do sleep 60 & i=$((i+1)); done; wait");
    assertThat(failed(e)).isIn(Verdict.Kind.RECURSION_LIMIT, Verdict.Kind.MEMORY_LIMIT);
  }

  @Test
  void filesAreLimited() {
    RunLimits little = new RunLimits(0, 64L << 20, 1 << 20, 60_000);
    Execution one =
        natives.run(script("head -c 200000000 /dev/zero > /out/0", little, 1, List.of())).join();
    assertThat(failed(one)).isIn(Verdict.Kind.OUTPUT_LIMIT, Verdict.Kind.EXIT_CODE);
    Execution some =
        natives
            .run(
                script(
                    "i=0; while [ $i -lt 9 ]; do head -c 500000 /dev/zero > /out/x$i; i=$((i+1));"
                        + " done; exit 0",
                    little,
                    1,
                    List.of()))
            .join();
    assertThat(failed(some)).isEqualTo(Verdict.Kind.OUTPUT_LIMIT);
  }

  @Test
  void timeIsLimited() {
    Execution e =
        natives
            .run(script("sleep 600", new RunLimits(0, 64L << 20, 1 << 20, 300), 0, List.of()))
            .join();
    assertThat(failed(e)).isEqualTo(Verdict.Kind.TIME_LIMIT);
  }

  @Test
  void itCanBeCancelled() throws Exception {
    Program program = script("echo ready > /out/0; sleep 600", ROOMY, 1, List.of());
    CompletableFuture<Execution> future = natives.run(program);
    natives.cancel(program.runId());
    assertThat(failed(future.get(30, TimeUnit.SECONDS))).isEqualTo(Verdict.Kind.CANCELLED);
    natives.cancel(program.runId());
  }

  @Test
  void whatCannotRunHereIsRefused() throws IOException {
    assertThat(failed(natives.run(program(new byte[] {1, 2, 3}, ROOMY, 0, List.of())).join()))
        .isEqualTo(Verdict.Kind.MODULE_REFUSED);
    byte[] elf = new byte[64];
    System.arraycopy(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1}, 0, elf, 0, 7);
    elf[18] = 8; // MIPS
    Execution other = natives.run(program(elf, ROOMY, 0, List.of())).join();
    assertThat(failed(other)).isEqualTo(Verdict.Kind.MODULE_REFUSED);
    assertThat(message(other)).contains("made for another machine");
    byte[] cobol = "#!/usr/bin/env cobol\nx\n".getBytes(StandardCharsets.UTF_8);
    Execution lacking = natives.run(program(cobol, ROOMY, 0, List.of())).join();
    assertThat(failed(lacking)).as("others may have it").isEqualTo(Verdict.Kind.NOT_STARTED);
    assertThat(message(lacking)).isEqualTo("this machine has no interpreter cobol");
    byte[] odd = "#!/bin/s\0h\nx\n".getBytes(StandardCharsets.UTF_8);
    assertThat(failed(natives.run(program(odd, ROOMY, 0, List.of())).join()))
        .isEqualTo(Verdict.Kind.MODULE_REFUSED);
    Path home = Files.writeString(folder.resolve("interpreter"), "#!/bin/sh\n");
    byte[] inside = ("#!" + home + "\n").getBytes(StandardCharsets.UTF_8);
    assertThat(failed(natives.run(program(inside, ROOMY, 0, List.of())).join()))
        .isEqualTo(Verdict.Kind.NOT_STARTED);
  }

  @Test
  void anotherProgramThanWasNamedIsNotRun() {
    Program named = script("exit 0", ROOMY, 0, List.of());
    Program other =
        new Program(named.runId(), named.file(), new byte[32], List.of(), List.of(), 0, 1, ROOMY);
    Execution e = natives.run(other).join();
    assertThat(failed(e)).isEqualTo(Verdict.Kind.NOT_STARTED);
    assertThat(message(e)).contains("not the one that was named");
  }

  @Test
  void itLeavesNothingBehindThatCannotBeDeleted() {
    assertThat(text(run("mkdir -p a/b; chmod 000 a; ln -s / loop; echo x > /out/0")))
        .isEqualTo("x\n");
  }
}
