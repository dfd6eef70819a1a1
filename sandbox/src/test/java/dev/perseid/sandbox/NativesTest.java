package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Hash;
import dev.perseid.core.Platform;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
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
    // Or it ends by itself when it can have no more.
    assertThat(failed(e))
        .isIn(Verdict.Kind.RECURSION_LIMIT, Verdict.Kind.MEMORY_LIMIT, Verdict.Kind.EXIT_CODE);
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

  /// A program in Perl, which Debian always has, with the numbers of some system calls.
  private Execution perl(String body, long memoryBytes) {
    boolean x86 = Natives.platform().orElseThrow() == Platform.LINUX_X86_64;
    String calls = x86 ? "sub PRCTL {157}" : "sub PRCTL {167}";
    String text = "#!/usr/bin/perl\n" + calls + "\n" + body + "\n";
    RunLimits limits = new RunLimits(0, memoryBytes, 1 << 20, 30_000);
    return natives.run(program(text.getBytes(StandardCharsets.UTF_8), limits, 0, List.of())).join();
  }

  private static final String NAMELESS =
      """
      sub nameless { open(my $to, ">", $_[0]) or die; unlink $_[0]; $to }
      sub fill { my ($to, $mb) = @_; syswrite($to, "a" x 1000000) for 1..$mb; }
      """;

  @Test
  void filesWithoutANameCountWhileTheyAreOpen() {
    RunLimits little = new RunLimits(0, 16L << 20, 1 << 20, 30_000);
    String fill = "exec 3>x; rm x; head -c 10000000 /dev/zero >&3";
    Execution kept =
        natives
            .run(
                script(
                    fill + "; exec 4>y; rm y; head -c 10000000 /dev/zero >&4; sleep 600",
                    little,
                    0,
                    List.of()))
            .join();
    assertThat(failed(kept)).isEqualTo(Verdict.Kind.MEMORY_LIMIT);
    assertThat(message(kept)).contains("those without a name");
    Execution closed =
        natives
            .run(script("for i in 1 2 3 4 5; do " + fill + "; done", little, 0, List.of()))
            .join();
    assertThat(closed.verdict()).isInstanceOf(Verdict.Done.class);
  }

  @Test
  void filesInMemoryCountThoughNobodyHasMappedThem() {
    // Neither is too much alone.
    String body =
        NAMELESS
            + """
            my $held = "";
            vec($held, 52000000, 8) = 1;
            my $file = nameless("/dev/shm/x");
            fill($file, 15);
            sleep 600;
            """;
    assertThat(failed(perl(body, 64L << 20))).isEqualTo(Verdict.Kind.MEMORY_LIMIT);
    String half = body.replace("sleep 600;", "truncate($file, 0); fill($file, 1);");
    assertThat(perl(half.replace("52000000", "30000000"), 64L << 20).verdict())
        .isInstanceOf(Verdict.Done.class);
  }

  @Test
  void aProcessWhoseNameIsNoTextCountsToo() {
    aProcessCountsWhoseNameIs("\\377\\376");
  }

  @Test
  void aProcessWhoseNameLooksLikeALineCountsToo() {
    aProcessCountsWhoseNameIs("a\\rVmRSS:");
  }

  private void aProcessCountsWhoseNameIs(String perlString) {
    String body =
        """
        open(my $name, ">", "/proc/self/comm") or die;
        syswrite($name, "%s");
        my $bytes = 100000000;
        my $held = "a" x $bytes;
        sleep 600;
        """
            .formatted(perlString);
    assertThat(failed(perl(body, 64L << 20))).isEqualTo(Verdict.Kind.MEMORY_LIMIT);
  }

  @Test
  void whatItKeepsFromBeingLookedAtIsItsFailure() {
    // Whoever may look at all sees that it is too much.
    String undumpable =
        NAMELESS
            + """
            my $file = nameless("x");
            my $more = nameless("y");
            syscall(PRCTL, 4, 0, 0, 0, 0);
            fill($file, 25);
            fill($more, 25);
            sleep 600;
            """;
    assertThat(failed(perl(undumpable, 32L << 20)))
        .isIn(Verdict.Kind.MEMORY_LIMIT, Verdict.Kind.TRAP);
    String closed =
        """
        for (1..4) {
          mkdir "$_"; open(my $to, ">", "$_/x"); syswrite($to, "a" x 10000000); chmod 0, "$_";
        }
        sleep 600;
        """;
    assertThat(failed(perl(closed, 32L << 20))).isIn(Verdict.Kind.MEMORY_LIMIT, Verdict.Kind.TRAP);
  }

  @Test
  void foldersMayNotBeNestedSoDeepThatTheyCannotBeLookedAt() {
    Execution e = perl("for (1..5000) { mkdir 'd'; chdir 'd'; }", 64L << 20);
    assertThat(failed(e)).isEqualTo(Verdict.Kind.OUTPUT_LIMIT);
    assertThat(message(e)).contains("nested folders more than 64 deep");
  }

  @Test
  void outputsBeforeAnOddOneDoNotStay() {
    Execution e =
        natives
            .run(script("head -c 100000 /dev/zero > /out/0; mkfifo /out/1", ROOMY, 2, List.of()))
            .join();
    assertThat(failed(e)).isEqualTo(Verdict.Kind.TRAP);
    assertThat(e.outputs()).isEmpty();
    assertThat(folder.resolve("natives/results")).isEmptyDirectory();
  }

  /// What a program is told that makes system calls: 0, or the number of the error.
  private static final String CALLS =
      """
      #!/usr/bin/perl
      my %calls = (
        memfd_create => [319, 279, "x", 0], memfd_secret => [447, 447, 0],
        shmget => [29, 194, 0, 4096, 0600], msgget => [68, 186, 0, 0600],
        bpf => [321, 280, 0, 0, 0], keyctl => [250, 219, 0, 0, 0, 0, 0],
        io_uring_setup => [425, 425, 1, 0], userfaultfd => [323, 282, 0],
        perf_event_open => [298, 241, 0, 0, 0, 0, 0], ptrace => [101, 117, 0, 0, 0, 0],
        mount => [165, 40, 0, 0, 0, 0, 0], unshare => [272, 97, 0x10000000],
        setns => [308, 268, 0, 0], clone3 => [435, 435, 0, 0],
        process_vm_readv => [310, 270, 0, 0, 0, 0, 0, 0], newest => [999, 999],
        clone_user => [56, 220, 0x10000011, 0, 0, 0, 0],
        type_for_me => [16, 29, 0, 0x5412, 0], to_the_host => [41, 198, 40, 1, 0],
        ciphers => [41, 198, 38, 5, 0], firewall => [41, 198, 16, 3, 12],
        addresses => [41, 198, 16, 3, 0], local => [41, 198, 1, 1, 0],
        run_data => [135, 92, 0x0400000], what_am_i => [135, 92, 0xffffffff],
        getpid => [39, 172]);
      $calls{x32} = [0x40000027, 999];
      my $x86 = `uname -m` eq "x86_64\n";
      open(my $out, ">", "/out/0");
      for my $name (sort keys %calls) {
        my ($x, $a, @args) = @{$calls{$name}};
        $! = 0;
        my $got = syscall($x86 ? $x : $a, @args);
        print $out "$name ", ($got == -1 ? $! + 0 : 0), "\n";
      }
      """;

  @Test
  void systemCallsThatNobodyNeedsAreRefused() throws Exception {
    Process outside =
        new ProcessBuilder(
                "perl",
                "-e",
                "my $call = `uname -m` eq qq(x86_64\\n) ? 319 : 279;"
                    + " my $name = qq(x); print syscall($call, $name, 0) < 0 ? $! + 0 : 0")
            .start();
    assertThat(new String(outside.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
        .as("it is the filter that refuses it")
        .isEqualTo("0");
    String inside =
        text(
            natives
                .run(program(CALLS.getBytes(StandardCharsets.UTF_8), ROOMY, 1, List.of()))
                .join());
    assertThat(inside.lines())
        .containsExactlyInAnyOrder(
            "memfd_create 38",
            "memfd_secret 38",
            "shmget 38",
            "msgget 38",
            "bpf 38",
            "keyctl 38",
            "io_uring_setup 38",
            "userfaultfd 38",
            "perf_event_open 38",
            "ptrace 38",
            "mount 38",
            "unshare 38",
            "setns 38",
            "clone3 38",
            "process_vm_readv 38",
            "newest 38",
            "x32 38",
            "clone_user 1",
            "type_for_me 1",
            "run_data 1",
            "to_the_host 97",
            "ciphers 97",
            "firewall 93",
            "addresses 0",
            "local 0",
            "what_am_i 0",
            "getpid 0");
  }

  private Execution runBy(String bwrap, RunLimits limits) throws Exception {
    Path file = Files.writeString(folder.resolve("bwrap-" + ids.incrementAndGet()), bwrap);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
    Path own = folder.resolve("run-" + ids.incrementAndGet());
    Execution e =
        new NativeRun(NativeCommand.with(file), script("exit 0", limits, 0, List.of()), own, folder)
            .execute();
    assertThat(own).doesNotExist();
    return e;
  }

  @Test
  void aProgramThatNeverBeganIsNotToBlame() throws Exception {
    Execution late =
        runBy("#!/bin/sh\nexec sleep 600\n", new RunLimits(0, 64L << 20, 1 << 20, 200));
    assertThat(failed(late)).isEqualTo(Verdict.Kind.NOT_STARTED);
    assertThat(message(late))
        .isEqualTo("bubblewrap or prlimit did not start it: it ran longer than 200 ms");
    Execution broken = runBy("#!/bin/sh\necho bwrap: no such thing; exit 1\n", ROOMY);
    assertThat(failed(broken)).isEqualTo(Verdict.Kind.NOT_STARTED);
    assertThat(message(broken))
        .isEqualTo("bubblewrap or prlimit did not start it: bwrap: no such thing");
  }

  @Test
  void aProgramThatCouldNotBeGivenItsLimitsIsNotToBlame() throws Exception {
    String bwrap = Bubblewrap.installed().orElseThrow().toString();
    Execution e = runBy("#!/bin/sh\nulimit -n 64\nexec " + bwrap + " \"$@\"\n", ROOMY);
    assertThat(failed(e)).isEqualTo(Verdict.Kind.NOT_STARTED);
    assertThat(message(e)).contains("prlimit", "NOFILE");
  }

  @Test
  void processesAreCountedByContainerFromLinux514On() {
    for (String linux : List.of("5.14.0", "5.15.0-91-generic", "6.1", "10.0.1")) {
      assertThat(NativeCommand.countsByContainer(linux)).as(linux).isTrue();
    }
    for (String linux : List.of("5.13.19", "4.18.0-553.el8", "3.10", "odd", "", "6.x")) {
      assertThat(NativeCommand.countsByContainer(linux)).as(linux).isFalse();
    }
  }

  @Test
  void theFirstProcessIsTheOneThatBubblewrapTells() {
    long own = ProcessHandle.current().pid();
    assertThat(NativeCommand.firstProcess("{\n    \"child-pid\": " + own + "\n}\n"))
        .hasValue(ProcessHandle.current());
    assertThat(NativeCommand.firstProcess("bwrap: no such thing")).isEmpty();
  }

  @Test
  void whatIsToldOfALongLineIsWholeCharacters() {
    String smiles = "\\360\\237\\230\\200".repeat(2);
    Execution e = run("printf '" + "a".repeat(199) + smiles + "\\n'; exit 3");
    assertThat(message(e)).endsWith("said: " + "a".repeat(199) + "...");
  }

  @Test
  void closingLeavesTheFoldersOfWhatStillRuns(@TempDir Path other) throws Exception {
    Natives closing = Natives.open(other.resolve("natives"));
    // Its program is a pipe, at which it waits until somebody writes.
    Path pipe = other.resolve("pipe");
    assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
    CompletableFuture<Execution> future =
        closing.run(new Program(1, pipe, new byte[32], List.of(), List.of(), 0, 1, ROOMY));
    closing.close();
    assertThat(future).isNotDone();
    Path own;
    try (Stream<Path> runs = Files.list(other.resolve("natives/runs"))) {
      own = runs.toList().getFirst();
    }
    Files.writeString(pipe, "x");
    assertThat(failed(future.get(30, TimeUnit.SECONDS))).isEqualTo(Verdict.Kind.NOT_STARTED);
    assertThat(own).doesNotExist();
  }

  @Test
  void closingEndsWhatRuns(@TempDir Path other) throws Exception {
    Natives closing = Natives.open(other.resolve("natives"));
    Program program = script("while :; do echo x > $(date +%N); done", ROOMY, 0, List.of());
    CompletableFuture<Execution> future = closing.run(program);
    closing.close();
    assertThat(failed(future.get(30, TimeUnit.SECONDS))).isEqualTo(Verdict.Kind.CANCELLED);
    assertThat(other.resolve("natives/runs")).doesNotExist();
    assertThat(failed(closing.run(program).join())).isEqualTo(Verdict.Kind.NOT_STARTED);
  }

  @Test
  void timeIsLimited() {
    Execution e =
        natives
            .run(script("sleep 600", new RunLimits(0, 64L << 20, 1 << 20, 2_000), 0, List.of()))
            .join();
    assertThat(failed(e)).isEqualTo(Verdict.Kind.OUT_OF_TIME);
    assertThat(failed(e).fault()).isEqualTo(Verdict.Fault.TASK);
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
