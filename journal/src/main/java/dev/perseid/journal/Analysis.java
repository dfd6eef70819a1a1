package dev.perseid.journal;

import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/// What records tell when they are read together. Pure functions; the same entries give the same
/// answer.
public final class Analysis {
  /// All attempts of one kind of task. A sum or statistic is over the attempts that were measured,
  /// and absent if none was.
  ///
  /// @param kind its name
  /// @param tasks different tasks
  /// @param attempts attempts, good and bad
  /// @param failed attempts that did not end as DONE
  /// @param wallMinNs,wallMedianNs,wallP95Ns,wallMaxNs run time of an attempt; nearest rank
  /// @param cpuNs CPU time, summed; likewise the rest
  /// @param charge microcredits
  public record KindRow(
      String kind,
      long tasks,
      long attempts,
      long failed,
      OptionalLong wallMinNs,
      OptionalLong wallMedianNs,
      OptionalLong wallP95Ns,
      OptionalLong wallMaxNs,
      OptionalLong cpuNs,
      OptionalLong gas,
      OptionalLong bytesIn,
      OptionalLong bytesOut,
      long charge) {}

  /// One task on the critical path, by its attempt that was done.
  ///
  /// @param readyUs,assignedUs by the pool's clock
  /// @param startedUs,endedUs by the provider's clock; absent if unknown
  /// @param wallNs run time; absent if unknown, and then counted as nothing
  public record Step(
      int task,
      String name,
      Address provider,
      long readyUs,
      long assignedUs,
      OptionalLong startedUs,
      OptionalLong endedUs,
      OptionalLong wallNs) {}

  /// The chain of dependent tasks with the longest run time: with ever so many providers the job
  /// could not have ended sooner.
  ///
  /// @param steps from the first to the last; empty if no task is done
  /// @param wallNs their run times together
  /// @param spanUs from submission to the last record, by the pool's clock
  public record CriticalPath(List<Step> steps, long wallNs, long spanUs) {}

  /// How busy one provider was.
  ///
  /// @param cores that it lent; 0 if unknown
  /// @param attempts that it made
  /// @param busyNs run time times cores, over its attempts that were measured
  /// @param spanUs from the first assignment in the entries to their last record, by the pool's
  ///   clock; the same for every provider
  public record ProviderRow(Address provider, int cores, long attempts, long busyNs, long spanUs) {
    /// The busy part of `cores * span`: 1 is full use. NaN if either is unknown.
    public double utilisation() {
      return cores <= 0 || spanUs <= 0 ? Double.NaN : busyNs / (1000.0 * cores * spanUs);
    }
  }

  private Analysis() {}

  /// The table of records by kind, ordered by the first entry of each.
  public static List<KindRow> byKind(Iterable<Entry> entries) {
    Map<String, Tally> tallies = new HashMap<>();
    List<Tally> inOrder = new ArrayList<>();
    for (Entry entry : entries) {
      String kind = entry.record().kind();
      Tally tally = tallies.get(kind);
      if (tally == null) {
        tally = new Tally(kind);
        tallies.put(kind, tally);
        inOrder.add(tally);
      }
      tally.add(entry.record());
    }
    return inOrder.stream().map(Tally::row).toList();
  }

  /// The critical path of one job's entries. In the log a task's record comes after those of the
  /// tasks it depends on, so one pass is enough; O(tasks + edges).
  public static CriticalPath criticalPath(Iterable<Entry> entries) {
    Map<Integer, Reach> reached = new HashMap<>();
    Reach longest = null;
    long submittedUs = Long.MAX_VALUE;
    long recordedUs = Long.MIN_VALUE;
    for (Entry entry : entries) {
      ExecutionRecord r = entry.record();
      submittedUs = Math.min(submittedUs, r.submittedUs());
      recordedUs = Math.max(recordedUs, entry.recordedUs());
      if (r.outcome() != Outcome.DONE) {
        continue;
      }
      @Nullable Reach before = null;
      for (int dependency : r.dependsOn()) {
        Reach other = reached.get(dependency);
        if (other != null && (before == null || other.wallNs > before.wallNs)) {
          before = other;
        }
      }
      Step step =
          new Step(
              r.task(),
              r.taskName(),
              r.provider(),
              r.readyUs(),
              r.assignedUs(),
              r.startedUs(),
              r.endedUs(),
              r.usage().wallNs());
      Reach reach =
          new Reach(
              step, before, (before == null ? 0 : before.wallNs) + r.usage().wallNs().orElse(0));
      reached.put(r.task(), reach);
      if (longest == null || reach.wallNs > longest.wallNs) {
        longest = reach;
      }
    }
    if (longest == null) {
      boolean any = submittedUs <= recordedUs;
      return new CriticalPath(List.of(), 0, any ? recordedUs - submittedUs : 0);
    }
    List<Step> steps = new ArrayList<>();
    for (Reach at = longest; at != null; at = at.before) {
      steps.add(at.step);
    }
    return new CriticalPath(
        List.copyOf(steps.reversed()), longest.wallNs, recordedUs - submittedUs);
  }

  /// How busy each provider was, ordered by address.
  ///
  /// @param cores how many a provider lends; 0 if that is not known
  public static List<ProviderRow> utilisation(
      Iterable<Entry> entries, ToIntFunction<Address> cores) {
    TreeMap<Address, long[]> busy = new TreeMap<>();
    long firstUs = Long.MAX_VALUE;
    long lastUs = Long.MIN_VALUE;
    for (Entry entry : entries) {
      ExecutionRecord r = entry.record();
      firstUs = Math.min(firstUs, r.assignedUs());
      lastUs = Math.max(lastUs, entry.recordedUs());
      long[] row = busy.computeIfAbsent(r.provider(), p -> new long[2]);
      row[0]++;
      row[1] += r.usage().wallNs().orElse(0) * r.cores();
    }
    List<ProviderRow> rows = new ArrayList<>();
    for (Map.Entry<Address, long[]> e : busy.entrySet()) {
      rows.add(
          new ProviderRow(
              e.getKey(),
              cores.applyAsInt(e.getKey()),
              e.getValue()[0],
              e.getValue()[1],
              lastUs - firstUs));
    }
    return rows;
  }

  /// The longest chain that ends with a task.
  private record Reach(Step step, @Nullable Reach before, long wallNs) {}

  private static final class Tally {
    private final String kind;
    private final Set<TaskOfJob> tasks = new HashSet<>();
    private long attempts;
    private long failed;
    private long[] walls = new long[16];
    private int wallCount;
    private OptionalLong cpuNs = OptionalLong.empty();
    private OptionalLong gas = OptionalLong.empty();
    private OptionalLong bytesIn = OptionalLong.empty();
    private OptionalLong bytesOut = OptionalLong.empty();
    private long charge;

    Tally(String kind) {
      this.kind = kind;
    }

    void add(ExecutionRecord r) {
      tasks.add(new TaskOfJob(r.job(), r.task()));
      attempts++;
      if (r.outcome() != Outcome.DONE) {
        failed++;
      }
      if (r.usage().wallNs().isPresent()) {
        if (wallCount == walls.length) {
          walls = Arrays.copyOf(walls, wallCount * 2);
        }
        walls[wallCount++] = r.usage().wallNs().getAsLong();
      }
      cpuNs = plus(cpuNs, r.usage().cpuNs());
      gas = plus(gas, r.usage().gas());
      bytesIn = plus(bytesIn, r.usage().bytesIn());
      bytesOut = plus(bytesOut, r.usage().bytesOut());
      charge = Math.addExact(charge, r.charge());
    }

    KindRow row() {
      Arrays.sort(walls, 0, wallCount);
      return new KindRow(
          kind,
          tasks.size(),
          attempts,
          failed,
          rank(0),
          rank(50),
          rank(95),
          rank(100),
          cpuNs,
          gas,
          bytesIn,
          bytesOut,
          charge);
    }

    /// The nearest-rank percentile.
    private OptionalLong rank(int percent) {
      if (wallCount == 0) {
        return OptionalLong.empty();
      }
      long rank = (wallCount * (long) percent + 99) / 100;
      return OptionalLong.of(walls[(int) Math.max(0, rank - 1)]);
    }

    private static OptionalLong plus(OptionalLong sum, OptionalLong measure) {
      if (measure.isEmpty()) {
        return sum;
      }
      return OptionalLong.of(sum.orElse(0) + measure.getAsLong());
    }
  }

  private record TaskOfJob(JobId job, int task) {}
}
