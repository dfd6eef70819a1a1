package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Effect;
import dev.perseid.core.Gpus;
import dev.perseid.core.JobId;
import dev.perseid.core.Limits;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.Rejection;
import dev.perseid.core.ToProvider;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/// How a pool measures providers, with machines that take the time that they would take.
class MeasurementsTest {
  private static final Address P = new Address(1, 0, 5);
  private static final long GIB = 1L << 30;
  private static final long LEAST_GPU_STEPS_PER_S = 5_000_000_000L;

  /// A machine, and what it makes of what it is asked.
  ///
  /// @param linkUs time of a link on one core
  /// @param walksUs time of a step through memory that is not there
  /// @param late waits so long before each answer
  private record Machine(
      int cores, long memoryBytes, long linkUs, long walksUs, long late, Rack rack) {
    private static final long CHUNK_US = 900;

    Machine(int cores, long memoryBytes, long linkUs, long walksUs, long late) {
      this(cores, memoryBytes, linkUs, walksUs, late, new Rack(0, 0, 0));
    }

    Machine with(Rack gpus) {
      return new Machine(cores, memoryBytes, linkUs, walksUs, late, gpus);
    }

    long takesUs(Probe p) {
      if (p.part().isOfGpus()) {
        return late + rack.takesUs(p);
      }
      if (p.part() != Probe.Part.MEMORY) {
        long rounds = (p.lanes() + cores - 1) / cores;
        return late + p.length() * linkUs * rounds;
      }
      long chunks = filled(p);
      if (chunks == 0) {
        return late + 1;
      }
      long absent = Math.max(0, chunks * 8 * p.chunkWords() - memoryBytes);
      long fill = chunks * CHUNK_US * (p.chunkWords() >> 17) / Math.min(p.lanes(), cores);
      long steps = chunks * Exertion.WALKS_PER_CHUNK;
      return late + fill + steps * absent / (chunks * 8 * p.chunkWords()) * walksUs;
    }

    /// Who has no time for what is not there shows what is there.
    long filled(Probe p) {
      return walksUs > 0 ? p.length() : Math.min(p.length(), memoryBytes / 8 / p.chunkWords());
    }

    ProbeAnswer answer(Probe p) {
      int digests =
          p.part().isOfGpus()
              ? rack.digests(p)
              : p.part().isMemory() ? (int) filled(p) : p.lanes() * p.length();
      return new ProbeAnswer(p.id(), p.part(), Collections.nCopies(digests, 1L), List.of());
    }
  }

  /// Its GPUs.
  ///
  /// @param laneNs time of a link for each lane of one GPU
  /// @param slowFirst by how many times it is slower when one is asked
  /// @param chunkUs time in which each fills a mebibyte
  private record Rack(int gpus, long memoryBytes, long laneNs, int slowFirst, long chunkUs) {
    Rack(int gpus, long memoryBytes, long laneNs) {
      this(gpus, memoryBytes, laneNs, 1, 1);
    }

    long takesUs(Probe p) {
      boolean one = p.part() == Probe.Part.ONE_GPU;
      int atOnce = one ? 1 : Math.max(1, gpus);
      if (p.part().isMemory()) {
        return 1 + digests(p) * chunkUs * (p.chunkWords() >> 17) / atOnce;
      }
      return 1 + p.lanes() * p.length() * laneNs / 1_000 / atOnce * (one ? slowFirst : 1);
    }

    int digests(Probe p) {
      if (gpus == 0) {
        return 0;
      }
      return p.part().isMemory()
          ? (int) Math.min(p.length(), gpus * (memoryBytes / 8 / p.chunkWords()))
          : p.lanes();
    }
  }

  /// A pool that measures one provider.
  private static final class Scene implements PoolLoop.Outbox {
    final List<Probe> asked = new ArrayList<>();
    final List<Command.RecordCapacity> recorded = new ArrayList<>();
    final List<Consumer<PoolLoop.Reply>> replies = new ArrayList<>();
    String verdict = "";
    final Measurements measurements =
        new Measurements(
            this,
            (_, _, done) -> done.accept(verdict),
            () -> 7,
            LEAST_GPU_STEPS_PER_S,
            s -> {
              recorded.add((Command.RecordCapacity) s.command());
              replies.add(s.done());
            });
    long nowUs = 1_000_000;
    Gpus declared = Gpus.NONE;

    void start(int cores, long memoryBytes) {
      measurements.start(3, new Effect.Measure(P, 9, cores, memoryBytes, declared));
      measurements.turn(nowUs);
    }

    void answer(ProbeAnswer answer, long afterUs) {
      nowUs += afterUs;
      measurements.answered(P, 3, answer);
      measurements.turn(nowUs);
    }

    Command.RecordCapacity measure(Machine machine, int cores, long memoryBytes) {
      return measure(machine, cores, memoryBytes, UnaryOperator.identity());
    }

    Command.RecordCapacity measure(
        Machine machine, int cores, long memoryBytes, UnaryOperator<ProbeAnswer> forged) {
      start(cores, memoryBytes);
      int heard = 0;
      while (recorded.isEmpty()) {
        assertThat(asked).as("it goes on").hasSizeGreaterThan(heard);
        Probe probe = asked.get(heard++);
        answer(forged.apply(machine.answer(probe)), machine.takesUs(probe));
      }
      return recorded.getFirst();
    }

    @Override
    public void send(Address provider, long session, ToProvider message) {
      assertThat(provider).isEqualTo(P);
      assertThat(session).isEqualTo(3);
      asked.add(((ToProvider.Show) message).probe());
    }

    @Override
    public void jobChanged(JobId job) {}

    @Override
    public void purseChanged(Address consumer) {}
  }

  private final Scene scene = new Scene();

  @Test
  void whoHasWhatItDeclaresShowsIt() {
    Command.RecordCapacity shown =
        scene.measure(new Machine(8, 16 * GIB, 6_000, 0, 0), 8, 16 * GIB);
    assertThat(shown.problem()).isEmpty();
    assertThat(shown.cores()).isEqualTo(8);
    assertThat(shown.memoryBytes()).isEqualTo(16 * GIB);
    assertThat(shown.stepsPerS()).isEqualTo(8L * Exertion.LINK_STEPS * 1_000_000 / 6_000);
    assertThat(scene.asked)
        .extracting(Probe::part)
        .containsExactly(
            Probe.Part.ONE_CORE, Probe.Part.ONE_CORE, Probe.Part.ALL_CORES, Probe.Part.MEMORY);
    assertThat(scene.asked).extracting(Probe::lanes).containsExactly(1, 1, 8, 8);
  }

  /// Of which each makes 84 times 10^9 steps a second.
  private static Rack fast(int gpus, long memoryBytes) {
    return new Rack(gpus, memoryBytes, 100_000);
  }

  private Command.RecordCapacity measureGpus(Gpus declared, Rack rack) {
    scene.declared = declared;
    return scene.measure(new Machine(8, GIB, 6_000, 0, 0).with(rack), 8, GIB);
  }

  @Test
  void gpusThatAreThereAreShown() {
    Gpus declared = new Gpus(4, 8 * GIB);
    Command.RecordCapacity shown = measureGpus(declared, fast(4, 8 * GIB));
    assertThat(shown.problem()).isEmpty();
    assertThat(shown.gpus()).isEqualTo(declared);
    assertThat((double) shown.gpuStepsPerS())
        .isCloseTo(4 * 1e4 * Exertion.LINK_STEPS, withinPercentage(1));
    assertThat(shown.cores()).isEqualTo(8);
    List<Probe> onGpus = scene.asked.stream().filter(p -> p.part().isOfGpus()).toList();
    assertThat(onGpus)
        .extracting(Probe::part)
        .containsSubsequence(
            Probe.Part.ONE_GPU, Probe.Part.ONE_GPU, Probe.Part.ALL_GPUS, Probe.Part.GPU_MEMORY);
    // More and more lanes, then links, until it takes two seconds.
    assertThat(onGpus)
        .extracting(Probe::lanes)
        .startsWith(256, 256, 1_024, 4_096, 8_192, 8_192, 4 * 8_192);
    assertThat(onGpus).extracting(Probe::length).startsWith(1, 1, 1, 1, 1, 4, 4);
    Probe memory = onGpus.getLast();
    assertThat(memory.lanes()).isEqualTo(4);
    assertThat(8L * memory.chunkWords() * memory.length()).isEqualTo(4 * 8 * GIB);
  }

  @Test
  void gpusThatAreNotThereAreFound() {
    assertThat(measureGpus(new Gpus(8, 8 * GIB), fast(3, 8 * GIB)).gpus())
        .isEqualTo(new Gpus(3, 8 * GIB));
    assertThat(scene.asked.stream().filter(p -> p.part() == Probe.Part.ALL_GPUS))
        .as("a machine may have been busy")
        .hasSize(3);
  }

  @Test
  void memoryOfGpusThatIsNotThereIsFound() {
    assertThat(measureGpus(new Gpus(2, 24 * GIB), fast(2, 6 * GIB)).gpus())
        .isEqualTo(new Gpus(2, 6 * GIB));
  }

  @Test
  void whoIsSlowWithOneIsTakenToHaveManySlowOnes() {
    Rack rack = new Rack(1, 64 * GIB, 100_000, 4, 1);
    Command.RecordCapacity shown = measureGpus(new Gpus(4, 8 * GIB), rack);
    assertThat(shown.gpus().count()).isEqualTo(4);
    assertThat((double) shown.gpuStepsPerS())
        .as("all of them are as fast as one")
        .isCloseTo(1e4 * Exertion.LINK_STEPS, withinPercentage(1));
  }

  @Test
  void theWayToAGpuDoesNotHideOne() {
    scene.declared = new Gpus(8, GIB);
    Command.RecordCapacity shown =
        scene.measure(new Machine(8, GIB, 6_000, 0, 100_000).with(fast(8, GIB)), 8, GIB);
    assertThat(shown.gpus().count()).isEqualTo(8);
  }

  @Test
  void memoryThatIsTooSlowIsAskedForInHalves() {
    // 4,096 chunks of 16 MiB in 143 s, where 114 s are enough.
    Gpus declared = new Gpus(1, 64 * GIB);
    Command.RecordCapacity shown = measureGpus(declared, new Rack(1, 64 * GIB, 100_000, 1, 2_190));
    assertThat(shown.problem()).isEmpty();
    assertThat(shown.gpus().memoryBytes()).isLessThan(64 * GIB).isGreaterThan(GIB);
    assertThat(scene.asked.stream().filter(p -> p.part() == Probe.Part.GPU_MEMORY))
        .hasSizeGreaterThan(1);
  }

  @Test
  void ofManyGpusNoMoreIsAskedThanTheyAnswer() {
    Gpus declared = new Gpus(64, 64 * GIB);
    Command.RecordCapacity shown = measureGpus(declared, fast(64, 64 * GIB));
    assertThat(shown.gpus()).isEqualTo(declared);
    for (Probe probe : scene.asked) {
      assertThat(probe.chunkWords()).isLessThanOrEqualTo(ProviderLimits.PROBE_CHUNK_WORDS);
      if (probe.part().isMemory()) {
        assertThat(probe.length()).isLessThanOrEqualTo(ProviderLimits.PROBE_CHUNKS);
      } else if (probe.part().isOfGpus()) {
        assertThat(probe.lanes()).isLessThanOrEqualTo(Limits.MEASURED_GPU_LANES);
        assertThat(probe.length()).isLessThanOrEqualTo(ProviderLimits.PROBE_GPU_LINKS);
      }
    }
  }

  @Test
  void whatTakesTooLongWithGpusCostsTheGpusOnly() {
    scene.declared = new Gpus(1, GIB);
    untilItsGpuIsAsked();
    scene.nowUs += PoolLimits.MEASURED_WHOLE_US;
    scene.measurements.turn(scene.nowUs);
    assertThat(scene.recorded.getFirst().problem()).isEmpty();
    assertThat(scene.recorded.getFirst().cores()).isEqualTo(8);
    assertThat(scene.recorded.getFirst().gpus()).isEqualTo(Gpus.NONE);
  }

  @Test
  void noGpuIsNone() {
    Command.RecordCapacity shown = measureGpus(new Gpus(1, 8 * GIB), fast(0, 0));
    assertThat(shown.problem()).as("its cores are there").isEmpty();
    assertThat(shown.cores()).isEqualTo(8);
    assertThat(shown.gpus()).isEqualTo(Gpus.NONE);
    assertThat(shown.gpuStepsPerS()).isZero();
  }

  @Test
  void coresThatDoTheWorkOfAGpuAreNone() {
    // Eight cores do eight links in 6 ms, on whatever they pretend to be.
    Command.RecordCapacity shown =
        measureGpus(new Gpus(1, 8 * GIB), new Rack(1, 8 * GIB, 6_000_000 / 8 + 1_000));
    assertThat(shown.problem()).isEmpty();
    assertThat(shown.gpus()).isEqualTo(Gpus.NONE);
  }

  @Test
  void aForgedGpuIsAForgery() {
    scene.declared = new Gpus(1, GIB);
    scene.start(8, GIB);
    Machine machine = new Machine(8, GIB, 6_000, 0, 0).with(fast(1, GIB));
    for (int heard = 0; scene.recorded.isEmpty(); heard++) {
      Probe probe = scene.asked.get(heard);
      scene.verdict = probe.part() == Probe.Part.ALL_GPUS ? "link 3 of lane 5 is wrong" : "";
      scene.answer(machine.answer(probe), machine.takesUs(probe));
    }
    assertThat(scene.recorded.getFirst().problem()).isEqualTo("link 3 of lane 5 is wrong");
  }

  /// All else was shown.
  private void untilItsGpuIsAsked() {
    scene.start(8, GIB);
    Machine machine = new Machine(8, GIB, 6_000, 0, 0);
    int heard = 0;
    while (!scene.asked.getLast().part().isOfGpus()) {
      Probe probe = scene.asked.get(heard++);
      scene.answer(machine.answer(probe), machine.takesUs(probe));
    }
  }

  @Test
  void aGpuThatDoesNotAnswerIsNone() {
    scene.declared = new Gpus(1, GIB);
    untilItsGpuIsAsked();
    scene.nowUs += 2 * PoolLimits.MEASURED_PART_US;
    scene.measurements.turn(scene.nowUs);
    assertThat(scene.recorded.getFirst().problem()).isEmpty();
    assertThat(scene.recorded.getFirst().gpus()).isEqualTo(Gpus.NONE);
  }

  @Test
  void coresThatAreNotThereAreFound() {
    Command.RecordCapacity shown = scene.measure(new Machine(4, GIB, 6_000, 0, 0), 64, GIB);
    assertThat(shown.problem()).isEmpty();
    assertThat(shown.cores()).as("twice as many go unnoticed").isEqualTo(8);
  }

  @Test
  void whoIsSlowAtFirstDoesNotPassForMore() {
    Machine machine = new Machine(4, GIB, 6_000, 0, 0);
    scene.start(64, GIB);
    for (int heard = 0; scene.recorded.isEmpty(); heard++) {
      Probe probe = scene.asked.get(heard);
      scene.answer(machine.answer(probe), machine.takesUs(probe) * (heard == 0 ? 3 : 1));
    }
    assertThat(scene.recorded.getFirst().cores()).isEqualTo(8);
  }

  @Test
  void memoryThatIsNotThereIsFound() {
    Command.RecordCapacity shown = scene.measure(new Machine(4, GIB, 6_000, 0, 0), 4, 64 * GIB);
    assertThat(shown.problem()).isEmpty();
    assertThat(shown.memoryBytes()).isEqualTo(GIB);
  }

  /// It fills each chunk, forgets it, and fills it again whenever the way leads there.
  @Test
  void whoMakesUpForMemoryWithTimeIsFound() {
    Command.RecordCapacity shown = scene.measure(new Machine(4, GIB, 6_000, 3_600, 0), 4, 16 * GIB);
    assertThat(shown.problem()).isEmpty();
    assertThat(shown.memoryBytes()).isLessThanOrEqualTo(2 * GIB);
    assertThat(scene.asked.size()).as("in halves").isGreaterThan(4);
  }

  @Test
  void whoIsFarAwayIsNotTakenForLess() {
    assertThat(scene.measure(new Machine(8, GIB, 6_000, 0, 300_000), 8, GIB).cores()).isEqualTo(8);
  }

  @Test
  void whoForgesIsFound() {
    scene.verdict = "link 3 of lane 0 is not what comes of the work";
    Command.RecordCapacity shown = scene.measure(new Machine(4, GIB, 1, 0, 0), 4, GIB);
    assertThat(shown.problem()).isEqualTo(scene.verdict);
  }

  @Test
  void whoDoesNotAnswerIsNotWaitedForForEver() {
    scene.start(4, GIB);
    scene.measurements.turn(scene.nowUs + PoolLimits.MEASURED_PART_US);
    assertThat(scene.recorded).isEmpty();
    scene.measurements.turn(scene.nowUs + PoolLimits.MEASURED_PART_US + 1);
    assertThat(scene.recorded.getFirst().problem()).contains("did not answer within 120 s");
  }

  @Test
  void whoHasNoMemoryFreeIsTold() {
    Command.RecordCapacity shown = scene.measure(new Machine(4, 1, 6_000, 0, 0), 4, GIB);
    assertThat(shown.problem()).isEqualTo("no memory is free on it");
  }

  @Test
  void littleMemoryIsMeasuredInSmallChunks() {
    Command.RecordCapacity shown = scene.measure(new Machine(1, GIB, 6_000, 0, 0), 1, 5_000);
    assertThat(shown.memoryBytes()).isEqualTo(5_000);
    assertThat(scene.asked.getLast().chunkWords()).isEqualTo(512);
  }

  /// So slow that it is measured three times, and each answer just before it would be too late.
  @Test
  void whoStallsIsNotWaitedForForEver() {
    scene.start(64, GIB);
    int heard = 0;
    Machine slow = new Machine(20, GIB, 100_000, 0, 0);
    long beganUs = scene.nowUs;
    while (scene.recorded.isEmpty()) {
      Probe probe = scene.asked.get(heard++);
      boolean first = probe.part() == Probe.Part.ONE_CORE;
      scene.answer(slow.answer(probe), first ? 10_000_000 : PoolLimits.MEASURED_PART_US - 1);
    }
    assertThat(scene.recorded.getFirst().problem()).contains("was not done within 400 s");
    assertThat(scene.nowUs - beganUs)
        .isLessThan(PoolLimits.MEASURED_WHOLE_US + PoolLimits.MEASURED_PART_US);
  }

  @Test
  void whatIsSaidOutOfTurnCountsNothing() {
    scene.start(4, GIB);
    ProbeAnswer early = new ProbeAnswer(9, Probe.Part.MEMORY, List.of(), List.of());
    ProbeAnswer other = new ProbeAnswer(8, Probe.Part.ONE_CORE, List.of(), List.of());
    scene.answer(early, 1);
    scene.answer(other, 1);
    scene.measurements.answered(
        P, 2, new ProbeAnswer(9, Probe.Part.ONE_CORE, List.of(), List.of()));
    scene.measurements.turn(scene.nowUs);
    assertThat(scene.asked).hasSize(1);
    scene.measurements.forget(P);
    scene.answer(new ProbeAnswer(9, Probe.Part.ONE_CORE, List.of(), List.of()), 1);
    assertThat(scene.asked).hasSize(1);
    assertThat(scene.recorded).isEmpty();
  }

  @Test
  void aPoolThatIsOverloadedIsToldAgain() {
    scene.measure(new Machine(4, GIB, 6_000, 0, 0), 4, GIB);
    scene.measurements.turn(scene.nowUs);
    assertThat(scene.recorded).as("once").hasSize(1);
    scene
        .replies
        .getFirst()
        .accept(new PoolLoop.Reply.Refused(new Rejection(Rejection.Code.OVERLOADED, "later")));
    scene.measurements.turn(scene.nowUs);
    assertThat(scene.recorded).hasSize(2);
    scene.replies.get(1).accept(new PoolLoop.Reply.Done());
    scene.measurements.turn(scene.nowUs);
    assertThat(scene.recorded).hasSize(2);
  }
}
