package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Effect;
import dev.perseid.core.Gpus;
import dev.perseid.core.Limits;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.Rejection;
import dev.perseid.core.ToProvider;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// The pool's side of measuring providers: has each do some parts one after the other, takes the
/// time by the pool's own clock, and has what comes checked.
///
/// One core does [#ONE_LINKS] links, then all that are declared do [#ALL_LINKS] each at the same
/// time: how much faster that goes is how many cores there are. Then the memory that is declared is
/// filled and walked through; what was not filled, or not in the time that this takes, is asked for
/// again in halves. GPUs, if any are declared, do likewise: one by itself, with more and more work
/// until that takes long enough to be timed, then all, then their memory. Owned by [PoolLoop] and
/// called on its thread.
final class Measurements {
  static final int ONE_LINKS = 32;
  static final int ALL_LINKS = 64;

  private static final long CHUNK_WORDS = 1 << 17;
  private static final int CHUNKS = 2_048;

  /// Cores that share a clock and a heat budget, and more so threads that share a core, are slower
  /// together than one alone; who shows half of what it declares has it.
  private static final double TOGETHER = 2;

  /// How often the cores may be measured.
  private static final int TRIES = 3;

  /// A machine is not so busy that it shows less than this part of what it has.
  private static final int MOST_OFF = 4;

  /// How much longer a step in a chunk may take than one of a link: it needs the one before, and
  /// reads and writes.
  private static final long MEMORY_FACTOR = 256;

  private static final long MEMORY_EXTRA_US = 2_000_000;

  /// GPUs share neither clock nor heat: of those that show nine tenths all are there.
  private static final double GPUS_TOGETHER = 1.1;

  /// Lanes of links with which one GPU begins.
  private static final int GPU_LANES = 256;

  /// By how much more is asked of it as long as it takes less than [#GPU_TELLING_US]: lanes first,
  /// then links of each.
  private static final int GPU_MORE = 4;

  /// So long that the way there and back does not matter.
  private static final long GPU_TELLING_US = 2_000_000;

  /// Likewise where whatever does the work counts, to try things out.
  private static final long ANY_TELLING_US = 300_000;

  /// A step that needs the one before is much slower than one of many, and a GPU has many.
  private static final long GPU_MEMORY_FACTOR = 1_024;

  private static final long GPU_MEMORY_EXTRA_US = 10_000_000;

  private final PoolLoop.Outbox outbox;
  private final PoolLoop.Judge judge;
  private final LongSupplier luck;
  private final Consumer<Submission> submit;
  private final long leastGpuStepsPerS;
  private final TreeMap<Address, Running> running = new TreeMap<>();

  /// A command and who hears what became of it.
  record Submission(Command command, Consumer<PoolLoop.Reply> done) {}

  private static final class Running {
    final Address provider;
    final long session;
    final long id;
    final int cores;
    final int lanes;
    final long memoryBytes;
    Probe.Part part = Probe.Part.ONE_CORE;
    long askedBytes;
    final Gpus gpus;
    int gpuLanes = GPU_LANES;
    int gpuLinks = 1;
    double oneGpuStepsPerUs;
    double allGpuStepsPerUs;
    int shownGpus;
    long askedGpuBytes;
    long shownGpuBytes;
    @Nullable Probe probe;
    long beganUs;
    long sentUs;
    long limitUs;
    @Nullable ProbeAnswer answer;
    long tookUs = -1;

    /// What is wrong with the answer; null before it is known.
    @Nullable String verdict;

    int rounds;
    int tries;

    /// The most of all that it showed for one core: else it would pass for as many more cores as it
    /// was slow at that.
    double oneStepsPerUs;

    /// Whether it was asked once: the first time code is translated and clocks speed up.
    boolean isWarm;

    double allStepsPerUs;
    int shownCores;
    long shownBytes;
    String problem = "";
    boolean over;
    boolean submitted;

    Running(Address provider, long session, Effect.Measure m) {
      this.provider = provider;
      this.session = session;
      id = m.id();
      cores = m.cores();
      lanes = Math.min(m.cores(), PoolLimits.MEASURED_LANES);
      memoryBytes = m.memoryBytes();
      askedBytes = Math.min(memoryBytes, PoolLimits.MEASURED_MEMORY_BYTES);
      gpus = m.gpus();
    }
  }

  /// @param leastGpuStepsPerS what counts as a GPU must do so many steps a second, and more than
  ///   all of the provider's cores together: else they could do its work; 0: whatever it does
  Measurements(
      PoolLoop.Outbox outbox,
      PoolLoop.Judge judge,
      LongSupplier luck,
      long leastGpuStepsPerS,
      Consumer<Submission> submit) {
    this.leastGpuStepsPerS = leastGpuStepsPerS;
    this.outbox = outbox;
    this.judge = judge;
    this.luck = luck;
    this.submit = submit;
  }

  /// Begins to measure a provider; what it was measured for before is void.
  void start(long session, Effect.Measure m) {
    running.put(m.provider(), new Running(m.provider(), session, m));
  }

  /// A provider has answered. An answer to what it was not asked says nothing.
  void answered(Address provider, long session, ProbeAnswer answer) {
    Running r = running.get(provider);
    if (r != null
        && r.session == session
        && r.probe != null
        && r.answer == null
        && r.id == answer.id()
        && r.part == answer.part()) {
      r.answer = answer;
    }
  }

  /// The provider's stream is gone.
  void forget(Address provider) {
    running.remove(provider);
  }

  /// Goes on with all that are measured: at most [dev.perseid.core.Limits#MEASURED_AT_ONCE].
  void turn(long nowUs) {
    for (Running r : List.copyOf(running.values())) {
      if (!r.over) {
        goOn(r, nowUs);
      }
      if (r.over && !r.submitted) {
        submit(r);
      }
    }
  }

  private void goOn(Running r, long nowUs) {
    Probe probe = r.probe;
    ProbeAnswer answer = r.answer;
    if (probe == null) {
      r.beganUs = nowUs;
      ask(r, nowUs);
    } else if (nowUs - r.beganUs > PoolLimits.MEASURED_WHOLE_US) {
      if (probe.part().isOfGpus()) {
        noGpus(r);
      } else {
        over(r, "it was not done within " + PoolLimits.MEASURED_WHOLE_US / 1_000_000 + " s");
      }
    } else if (answer == null) {
      boolean late = nowUs - r.sentUs > PoolLimits.MEASURED_PART_US + r.limitUs;
      if (late && probe.part().isOfGpus()) {
        noGpus(r);
      } else if (late) {
        over(r, "it did not answer within " + (nowUs - r.sentUs) / 1_000_000 + " s");
      }
    } else {
      if (r.tookUs < 0) {
        r.tookUs = Math.max(1, nowUs - r.sentUs);
        int round = r.rounds;
        judge.judge(probe, answer, verdict -> heard(r, round, verdict));
      }
      String verdict = r.verdict;
      if (verdict != null) {
        conclude(r, probe, answer, verdict);
        if (!r.over) {
          ask(r, nowUs);
        }
      }
    }
  }

  private static void heard(Running r, int round, String verdict) {
    if (r.rounds == round) {
      r.verdict = verdict;
    }
  }

  private void ask(Running r, long nowUs) {
    Probe probe =
        switch (r.part) {
          case ONE_CORE -> new Probe(r.id, r.part, luck.getAsLong(), 1, ONE_LINKS, 0);
          case ALL_CORES -> new Probe(r.id, r.part, luck.getAsLong(), r.lanes, ALL_LINKS, 0);
          case MEMORY -> memory(r);
          case ONE_GPU -> new Probe(r.id, r.part, luck.getAsLong(), r.gpuLanes, r.gpuLinks, 0);
          case ALL_GPUS -> {
            int lanes = r.gpuLanes * r.gpus.count();
            yield new Probe(r.id, r.part, luck.getAsLong(), lanes, r.gpuLinks, 0);
          }
          case GPU_MEMORY -> gpuMemory(r);
        };
    r.probe = probe;
    r.rounds++;
    r.answer = null;
    r.verdict = null;
    r.tookUs = -1;
    r.sentUs = nowUs;
    r.limitUs =
        switch (r.part) {
          case MEMORY -> memoryLimitUs(probe, MEMORY_EXTRA_US, MEMORY_FACTOR / r.allStepsPerUs);
          case GPU_MEMORY ->
              memoryLimitUs(probe, GPU_MEMORY_EXTRA_US, GPU_MEMORY_FACTOR / r.allGpuStepsPerUs);
          case ONE_CORE, ALL_CORES, ONE_GPU, ALL_GPUS -> 0;
        };
    outbox.send(r.provider, r.session, new ToProvider.Show(probe));
  }

  private static long memoryLimitUs(Probe probe, long extraUs, double usPerStep) {
    double steps = (double) probe.length() * probe.chunkWords();
    return Math.min(extraUs + (long) (usPerStep * steps), PoolLimits.MEASURED_PART_US);
  }

  private Probe memory(Running r) {
    int words = chunkWords(r.askedBytes, CHUNKS);
    return new Probe(r.id, r.part, luck.getAsLong(), r.lanes, chunks(r.askedBytes, words), words);
  }

  /// As much of each GPU.
  private Probe gpuMemory(Running r) {
    int gpus = r.shownGpus;
    int words = chunkWords(r.askedGpuBytes, Limits.MEASURED_CHUNKS / gpus);
    int chunks = gpus * chunks(r.askedGpuBytes, words);
    return new Probe(r.id, r.part, luck.getAsLong(), gpus, chunks, words);
  }

  /// The most that is asked for of each GPU.
  private static long mostGpuBytes(Running r) {
    long chunks = Limits.MEASURED_CHUNKS / r.shownGpus;
    long most =
        Math.min(
            PoolLimits.MEASURED_MEMORY_BYTES, 8L * PoolLimits.MEASURED_GPU_CHUNK_WORDS * chunks);
    return Math.min(r.gpus.memoryBytes(), most);
  }

  private static int chunkWords(long bytes, int chunks) {
    long words = Math.min(CHUNK_WORDS, Long.highestOneBit(Math.max(1, bytes / 8)));
    while (bytes / (8 * words) > chunks) {
      words *= 2;
    }
    return (int) words;
  }

  private static int chunks(long bytes, int words) {
    return (int) Math.max(1, bytes / (8L * words));
  }

  private void conclude(Running r, Probe probe, ProbeAnswer answer, String verdict) {
    if (probe.part().isOfGpus() && answer.digests().isEmpty()) {
      noGpus(r); // it could not, and says so
      return;
    }
    if (!verdict.isEmpty()) {
      over(r, verdict);
      return;
    }
    double steps = (double) probe.lanes() * probe.length() * Exertion.LINK_STEPS;
    switch (probe.part()) {
      case ONE_CORE -> {
        r.oneStepsPerUs = Math.max(r.oneStepsPerUs, steps / r.tookUs);
        r.part = r.isWarm ? Probe.Part.ALL_CORES : Probe.Part.ONE_CORE;
        r.isWarm = true;
      }
      case ALL_CORES -> {
        double stepsPerUs = steps / r.tookUs;
        double shown = stepsPerUs / r.oneStepsPerUs * TOGETHER;
        // Cores beyond the lanes are as real as those of the lanes.
        long cores = (long) Math.ceil(shown * r.cores / r.lanes);
        r.shownCores = Math.clamp(cores, Math.max(1, r.shownCores), r.cores);
        r.allStepsPerUs = Math.max(stepsPerUs, r.allStepsPerUs);
        // A machine that was busy, or far away, gets another chance; not one that lacks most of it.
        boolean again =
            r.shownCores < r.cores
                && (long) r.shownCores * MOST_OFF >= r.cores
                && ++r.tries < TRIES;
        r.part = again ? Probe.Part.ONE_CORE : Probe.Part.MEMORY;
      }
      case MEMORY -> {
        long filled = 8L * probe.chunkWords() * answer.digests().size();
        if (filled == 0) {
          over(r, "no memory is free on it");
        } else if (r.tookUs <= r.limitUs) {
          boolean all = answer.digests().size() == probe.length();
          boolean whole = r.askedBytes == Math.min(r.memoryBytes, PoolLimits.MEASURED_MEMORY_BYTES);
          r.shownBytes = all && whole ? r.memoryBytes : filled;
          r.tries = 0;
          r.isWarm = false;
          goOnWithGpus(r);
        } else if (r.askedBytes > PoolLimits.MEASURED_LEAST_BYTES) {
          r.askedBytes /= 2;
        } else {
          over(
              r,
              "to fill "
                  + filled
                  + " bytes of memory took it "
                  + r.tookUs / 1_000
                  + " ms, where "
                  + r.limitUs / 1_000
                  + " ms are enough at the speed of its cores");
        }
      }
      case ONE_GPU -> oneGpu(r, steps / r.tookUs);
      case ALL_GPUS -> {
        double stepsPerUs = steps / r.tookUs;
        long gpus = Math.round(stepsPerUs / r.oneGpuStepsPerUs * GPUS_TOGETHER);
        r.shownGpus = Math.clamp(gpus, Math.max(1, r.shownGpus), r.gpus.count());
        r.allGpuStepsPerUs = Math.max(stepsPerUs, r.allGpuStepsPerUs);
        boolean again = r.shownGpus < r.gpus.count() && ++r.tries < TRIES;
        r.part = again ? Probe.Part.ALL_GPUS : Probe.Part.GPU_MEMORY;
        r.askedGpuBytes = mostGpuBytes(r);
      }
      case GPU_MEMORY -> gpuMemory(r, probe, answer);
    }
  }

  private static void goOnWithGpus(Running r) {
    if (r.gpus.any()) {
      r.part = Probe.Part.ONE_GPU;
    } else {
      over(r, "");
    }
  }

  /// No GPU was shown; all else was.
  private static void noGpus(Running r) {
    r.shownGpus = 0;
    r.allGpuStepsPerUs = 0;
    over(r, "");
  }

  /// Whether there is more to ask a GPU for.
  private static boolean askForMore(Running r) {
    int mostLanes =
        Math.min(PoolLimits.MEASURED_GPU_LANES, Limits.MEASURED_GPU_LANES / r.gpus.count());
    if (r.gpuLanes < mostLanes) {
      r.gpuLanes = Math.min(mostLanes, r.gpuLanes * GPU_MORE);
      return true;
    }
    if (r.gpuLinks < PoolLimits.MEASURED_GPU_LINKS) {
      r.gpuLinks = Math.min(PoolLimits.MEASURED_GPU_LINKS, r.gpuLinks * GPU_MORE);
      return true;
    }
    return false;
  }

  private void oneGpu(Running r, double stepsPerUs) {
    if (!r.isWarm) {
      r.isWarm = true; // drivers wake up
      return;
    }
    r.oneGpuStepsPerUs = Math.max(r.oneGpuStepsPerUs, stepsPerUs);
    long tellingUs = leastGpuStepsPerS == 0 ? ANY_TELLING_US : GPU_TELLING_US;
    if (r.tookUs < tellingUs && askForMore(r)) {
      return;
    }
    double least = leastGpuStepsPerS == 0 ? 0 : Math.max(leastGpuStepsPerS / 1e6, r.allStepsPerUs);
    if (r.oneGpuStepsPerUs >= least) {
      r.part = Probe.Part.ALL_GPUS;
    } else {
      noGpus(r);
    }
  }

  private static void gpuMemory(Running r, Probe probe, ProbeAnswer answer) {
    long filled = 8L * probe.chunkWords() * (answer.digests().size() / r.shownGpus);
    if (filled > 0 && r.tookUs <= r.limitUs) {
      boolean all = answer.digests().size() == probe.length();
      boolean whole = r.askedGpuBytes == mostGpuBytes(r);
      r.shownGpuBytes = all && whole ? r.gpus.memoryBytes() : filled;
      over(r, "");
    } else if (filled > 0 && r.askedGpuBytes > PoolLimits.MEASURED_LEAST_BYTES) {
      r.askedGpuBytes /= 2;
    } else {
      noGpus(r);
    }
  }

  private static void over(Running r, String problem) {
    r.problem = problem;
    r.over = true;
  }

  private void submit(Running r) {
    r.submitted = true;
    Command command =
        new Command.RecordCapacity(
            r.provider,
            r.session,
            r.id,
            r.shownCores,
            r.shownBytes,
            r.shownGpus == 0 ? Gpus.NONE : new Gpus(r.shownGpus, r.shownGpuBytes),
            (long) (r.allStepsPerUs * 1_000_000),
            (long) (r.allGpuStepsPerUs * 1_000_000),
            r.problem,
            luck.getAsLong());
    submit.accept(
        new Submission(
            command,
            reply -> {
              boolean again =
                  reply instanceof PoolLoop.Reply.Refused refused
                      && refused.rejection().code() == Rejection.Code.OVERLOADED;
              if (again) {
                r.submitted = false;
              } else {
                running.remove(r.provider, r);
              }
            }));
  }
}
