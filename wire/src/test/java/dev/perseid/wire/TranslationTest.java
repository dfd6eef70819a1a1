package dev.perseid.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Capability;
import dev.perseid.core.Comparison;
import dev.perseid.core.Form;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Lease;
import dev.perseid.core.Limits;
import dev.perseid.core.Offer;
import dev.perseid.core.Operated;
import dev.perseid.core.Outcome;
import dev.perseid.core.Platform;
import dev.perseid.core.Price;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.Rejection;
import dev.perseid.core.Report;
import dev.perseid.core.Scheduling;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Thrift;
import dev.perseid.core.ToProvider;
import dev.perseid.core.Urgency;
import dev.perseid.core.Usage;
import dev.perseid.core.Verification;
import dev.perseid.wire.v1.Proto;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

class TranslationTest {
  private static final int ROUNDS = 300;

  /// Random words of the core, within its limits.
  private static final class Words {
    final long seed = 1_034;
    final Random random = new Random(seed);

    long number() {
      return random.nextLong() >>> (1 + random.nextInt(63));
    }

    int small(int bound) {
      return random.nextInt(bound);
    }

    long positive() {
      return 1 + (number() >>> 1);
    }

    OptionalLong maybe() {
      return random.nextBoolean() ? OptionalLong.of(number()) : OptionalLong.empty();
    }

    Hash hash() {
      return new Hash(random.nextLong(), random.nextLong(), random.nextLong(), random.nextLong());
    }

    Address address() {
      return new Address(random.nextLong(), random.nextLong(), random.nextInt());
    }

    String text(int limit) {
      String all = "azAZ09 .-_'\"\\\n\u00e4\u20ac";
      StringBuilder b = new StringBuilder();
      for (int i = random.nextInt(Math.min(limit, 40) + 1); i > 0; i--) {
        b.append(all.charAt(random.nextInt(all.length())));
      }
      return b.toString();
    }

    Blob blob() {
      return new Blob(hash(), number());
    }

    <T> List<T> several(Supplier<T> one) {
      List<T> list = new ArrayList<>();
      for (int i = random.nextInt(5); i > 0; i--) {
        list.add(one.get());
      }
      return List.copyOf(list);
    }

    Offer offer() {
      return new Offer(
          address(),
          text(64),
          text(256),
          text(32),
          small(1_000),
          number(),
          gpus(),
          new Price(number(), number(), number(), number()),
          new Capability(maybe(), maybe(), maybe()),
          number());
    }

    Gpus gpus() {
      return random.nextBoolean() ? Gpus.NONE : new Gpus(1 + small(64), number());
    }

    Usage usage() {
      return new Usage(
          maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), maybe(),
          text(20));
    }

    Report report() {
      Outcome[] reportable = {
        Outcome.DONE, Outcome.TASK_FAILED, Outcome.PROVIDER_FAILED, Outcome.CANCELLED
      };
      return new Report(
          number(),
          reportable[small(4)],
          text(512),
          maybe(),
          maybe(),
          usage(),
          several(this::blob),
          text(128),
          text(128),
          hash());
    }

    String signature() {
      StringBuilder b = new StringBuilder();
      for (int i = 0; i < 130; i++) {
        b.append("0123456789abcdef".charAt(random.nextInt(16)));
      }
      return b.toString();
    }

    TaskKind kind() {
      return new TaskKind(
          text(64),
          blob(),
          number(),
          number(),
          number(),
          number(),
          small(100),
          small(10),
          random.nextBoolean()
              ? new Form.Portable()
              : new Form.Native(platform(), comparison(), gpus()));
    }

    Platform platform() {
      return random.nextBoolean() ? Platform.LINUX_X86_64 : Platform.LINUX_AARCH64;
    }

    Comparison comparison() {
      return switch (random.nextInt(4)) {
        case 0 -> new Comparison.Exact();
        case 1 -> new Comparison.Numeric(random.nextDouble(), random.nextDouble() * 1e9);
        case 2 -> new Comparison.Lines();
        default -> new Comparison.Module(blob());
      };
    }

    Input input() {
      return random.nextBoolean()
          ? new Input.Stored(blob())
          : new Input.Produced(small(1_000), small(1_000));
    }

    TaskSpec task() {
      return new TaskSpec(
          random.nextBoolean() ? null : text(128),
          small(10),
          small(10) - 1,
          text(4_096),
          several(this::input),
          several(() -> small(1_000)),
          small(10));
    }

    JobSpec job() {
      return new JobSpec(
          address(),
          random.nextLong(),
          text(128),
          small(201) - 100,
          random.nextLong(),
          several(this::kind),
          several(this::task),
          several(() -> new Input.Produced(small(9), small(9))),
          new Verification.None(),
          new Urgency(
              new Thrift(positive(), positive(), positive()),
              positive(),
              small(101),
              Scheduling.values()[small(Scheduling.values().length)]));
    }

    Lease lease(Address provider, JobId job, TaskKind kind) {
      return new Lease(
          positive(),
          job,
          small(1_000),
          text(128),
          Address.ZERO,
          provider,
          Hash.ZERO,
          1 + small(9),
          kind,
          text(4_096),
          several(this::blob),
          several(() -> small(1_000)),
          small(10),
          17,
          number(),
          number(),
          number());
    }

    FromProvider fromProvider() {
      return switch (small(7)) {
        case 0 ->
            new FromProvider.Hello(
                offer(),
                signature(),
                several(this::positive),
                random.nextBoolean() ? Optional.empty() : Optional.of(platform()),
                random.nextBoolean()
                    ? Optional.empty()
                    : Optional.of(new Operated(address(), signature())),
                random.nextBoolean() ? OptionalInt.empty() : OptionalInt.of(small(5_000)));
        case 1 -> new FromProvider.Heartbeat();
        case 2 -> {
          List<Report> reports = new ArrayList<>(several(this::report));
          reports.add(report());
          yield new FromProvider.Reports(reports, hash(), signature());
        }
        case 3 -> new FromProvider.ReturnLeases(several(this::positive));
        case 4 -> new FromProvider.Drain();
        case 5 ->
            new FromProvider.Probed(
                new ProbeAnswer(
                    number(), part(), several(random::nextLong), several(random::nextLong)));
        default -> new FromProvider.Goodbye(text(512));
      };
    }

    Probe.Part part() {
      return Probe.Part.values()[small(Probe.Part.values().length)];
    }

    ToProvider toProvider(Address provider) {
      return switch (small(6)) {
        case 0 -> new ToProvider.Welcome(number(), positive(), positive());
        case 1 -> new ToProvider.Stop(several(this::positive));
        case 2 -> new ToProvider.Durable(several(this::positive));
        case 4 ->
            new ToProvider.Show(
                new Probe(
                    number(), part(), random.nextLong(), small(9), small(9), random.nextInt()));
        case 3 -> {
          JobId job = new JobId(random.nextLong(), random.nextLong());
          TaskKind kind = kind();
          List<Lease> leases = new ArrayList<>(several(() -> lease(provider, job, kind)));
          leases.add(lease(provider, job, kind));
          yield new ToProvider.Leases(leases);
        }
        default ->
            new ToProvider.Refusal(
                new Rejection(
                    Rejection.Code.values()[small(Rejection.Code.values().length)], text(300)));
      };
    }
  }

  /// What a provider answers to the largest probes that a pool may send it.
  @Test
  void theLargestAnswersPass() throws Malformed {
    int lanes = Limits.MEASURED_GPU_LANES;
    int chunks = Limits.MEASURED_CHUNKS;
    for (FromProvider.Probed answer :
        List.of(
            new FromProvider.Probed(
                new ProbeAnswer(1, Probe.Part.ALL_GPUS, Collections.nCopies(lanes, 7L), List.of())),
            new FromProvider.Probed(
                new ProbeAnswer(
                    1,
                    Probe.Part.GPU_MEMORY,
                    Collections.nCopies(chunks, 7L),
                    Collections.nCopies(chunks * Limits.WALKS_PER_CHUNK, 8L))))) {
      Proto.FromProvider message = Translation.write(answer);
      assertThat(message.getSerializedSize()).isLessThan(WireLimits.MESSAGE_BYTES / 8);
      assertThat(Translation.read(message)).isEqualTo(answer);
    }
  }

  @Test
  void WhatAProviderSaysArrivesUnchanged() throws Exception {
    Words w = new Words();
    for (int i = 0; i < ROUNDS; i++) {
      FromProvider said = w.fromProvider();
      byte[] bytes = Translation.write(said).toByteArray();
      assertThat(Translation.read(Proto.FromProvider.parseFrom(bytes)))
          .as("seed %d", w.seed)
          .isEqualTo(said);
    }
  }

  @Test
  void WhatThePoolSaysArrivesUnchanged() throws Exception {
    Words w = new Words();
    Address provider = w.address();
    for (int i = 0; i < ROUNDS; i++) {
      ToProvider said = w.toProvider(provider);
      List<Proto.ToProvider> parts = Translation.write(said);
      assertThat(parts).hasSize(1);
      byte[] bytes = parts.getFirst().toByteArray();
      assertThat(Translation.read(Proto.ToProvider.parseFrom(bytes), provider))
          .as("seed %d", w.seed)
          .isEqualTo(said);
    }
  }

  @Test
  void ManyLeasesComeInPartsWithinTheLimit() throws Exception {
    Words w = new Words();
    Address provider = w.address();
    TaskKind kind = w.kind();
    List<Lease> leases = new ArrayList<>();
    for (int i = 0; i < 4_000; i++) {
      Lease l = w.lease(provider, new JobId(0, i % 3), kind);
      leases.add(
          new Lease(
              1 + i,
              l.job(),
              l.task(),
              l.taskName(),
              l.consumer(),
              provider,
              l.offer(),
              l.attempt(),
              kind,
              "x".repeat(Limits.ARGS_CHARS),
              l.inputs(),
              l.dependsOn(),
              l.outputs(),
              l.submittedUs(),
              l.readyUs(),
              l.assignedUs(),
              l.maxCharge()));
    }
    List<Proto.ToProvider> parts = Translation.write(new ToProvider.Leases(leases));
    assertThat(parts).hasSizeGreaterThan(10);
    List<Lease> arrived = new ArrayList<>();
    for (Proto.ToProvider part : parts) {
      assertThat(part.getSerializedSize()).isLessThan(2 * WireLimits.PART_BYTES);
      arrived.addAll(((ToProvider.Leases) Translation.read(part, provider)).leases());
    }
    assertThat(arrived).as("seed %d", w.seed).containsExactlyInAnyOrderElementsOf(leases);
  }

  @Test
  void AJobArrivesUnchanged() throws Exception {
    Words w = new Words();
    for (int i = 0; i < ROUNDS; i++) {
      JobSpec job = w.job();
      String signature = w.signature();
      JobParts parts = new JobParts(job.consumer());
      for (Proto.SubmitPart part : Translation.write(job, signature)) {
        parts.add(Proto.SubmitPart.parseFrom(part.toByteArray()));
      }
      assertThat(parts.job()).as("seed %d", w.seed).isEqualTo(job);
      assertThat(parts.signature()).isEqualTo(signature);
    }
  }

  @Test
  void AJobOfMoreTasksThanAllowedIsRefusedBeforeItFillsTheMemory() throws Exception {
    JobParts parts = new JobParts(Address.ZERO);
    parts.add(
        Proto.SubmitPart.newBuilder().setHeader(Proto.JobHeader.getDefaultInstance()).build());
    Proto.TaskPart.Builder many = Proto.TaskPart.newBuilder();
    for (int i = 0; i < 10_000; i++) {
      many.addTasks(Proto.Task.getDefaultInstance());
    }
    Proto.SubmitPart part = Proto.SubmitPart.newBuilder().setTasks(many).build();
    for (int i = 0; i < Limits.JOB_TASKS / 10_000; i++) {
      parts.add(part);
    }
    assertThatThrownBy(() -> parts.add(part))
        .isInstanceOf(Malformed.class)
        .hasMessageContaining("split it");
    assertThat(parts.taskCount()).isEqualTo(Limits.JOB_TASKS);
  }

  @Test
  void PartsComeInOrder() {
    JobParts parts = new JobParts(Address.ZERO);
    assertThatThrownBy(() ->
            parts.add(
                Proto.SubmitPart.newBuilder()
                    .setTasks(Proto.TaskPart.getDefaultInstance())
                    .build()))
        .isInstanceOf(Malformed.class)
        .hasMessageContaining("header first");
    assertThatThrownBy(() -> parts.add(Proto.SubmitPart.getDefaultInstance()))
        .isInstanceOf(Malformed.class);
    assertThatThrownBy(parts::job).isInstanceOf(Malformed.class);
  }

  private static void malformed(Proto.FromProvider m, String words) {
    assertThatThrownBy(() -> Translation.read(m))
        .isInstanceOf(Malformed.class)
        .hasMessageContaining(words);
  }

  @Test
  void SaysWhatIsWrongAndWhere() throws Exception {
    Words w = new Words();
    Proto.FromProvider good =
        Translation.write(new FromProvider.Reports(List.of(w.report()), w.hash(), w.signature()));
    Proto.Reports reports = good.getReports();
    malformed(
        good.toBuilder()
            .setReports(reports.toBuilder().setRoot(ByteString.copyFromUtf8("short")))
            .build(),
        "reports.root has 5 bytes where 32 belong");
    malformed(
        good.toBuilder().setReports(reports.toBuilder().clearReports()).build(),
        "reports.reports is empty");
    Proto.Report report = reports.getReports(0);
    malformed(
        good.toBuilder()
            .setReports(reports.toBuilder().setReports(0, report.toBuilder().setOutcome(3)))
            .build(),
        "reports.reports[0].outcome is 3");
    malformed(
        good.toBuilder()
            .setReports(
                reports.toBuilder()
                    .setReports(
                        0, report.toBuilder().setUsage(report.getUsage().toBuilder().setGas(-1))))
            .build(),
        "reports.reports[0].usage.gas is -1");
    malformed(
        good.toBuilder()
            .setReports(
                reports.toBuilder().setReports(0, report.toBuilder().setReason("r".repeat(513))))
            .build(),
        "reports.reports[0].reason has 513 characters");
    malformed(
        Proto.FromProvider.newBuilder()
            .setReturnLeases(Proto.ReturnLeases.newBuilder().addLeases(-5))
            .build(),
        "return_leases.leases is -5");
    malformed(Proto.FromProvider.getDefaultInstance(), "empty");
  }

  @Test
  void GarbageIsRefusedAndNothingElse() {
    Words w = new Words();
    Address provider = w.address();
    int read = 0;
    for (int i = 0; i < 20 * ROUNDS; i++) {
      byte[] bytes;
      if (w.random.nextBoolean()) {
        bytes = new byte[w.small(200)];
        w.random.nextBytes(bytes);
      } else {
        bytes = Translation.write(w.fromProvider()).toByteArray();
        if (bytes.length > 0) {
          for (int k = 0; k < 3; k++) {
            bytes[w.small(bytes.length)] = (byte) w.random.nextInt();
          }
        }
      }
      try {
        Translation.read(Proto.FromProvider.parseFrom(bytes));
        read++;
      } catch (InvalidProtocolBufferException | Malformed e) {
        assertThat(e).hasMessageNotContaining("null");
      }
      try {
        Translation.read(Proto.ToProvider.parseFrom(bytes), provider);
      } catch (InvalidProtocolBufferException | Malformed e) {
        assertThat(e).hasMessageNotContaining("null");
      }
    }
    assertThat(read).as("some changes do no harm; seed %d", w.seed).isPositive();
  }

  @Test
  void PlainTextIsForLoopbackOnly() {
    assertThatThrownBy(() -> Channels.open("192.0.2.1", 1, java.util.Optional.empty()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("loopback");
    Channels.open("127.0.0.1", 1, java.util.Optional.empty()).shutdownNow();
    assertThat(Channels.isLoopback("::1")).isTrue();
    assertThat(Channels.isLoopback("0.0.0.0")).isFalse();
  }
}
