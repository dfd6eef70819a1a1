package dev.perseid.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// A task whose result does not count yet: what providers said of it so far.
final class Check {
  /// Of a vote that is compared with others by the bytes alone.
  private static final long BY_BYTES = -1;

  /// When two results are alike.
  final Comparison comparison;

  final List<Vote> votes = new ArrayList<>();

  /// Whether it is not known yet whether the last vote is like any before it.
  private boolean comparing;

  Check(Comparison comparison) {
    this.comparison = comparison;
  }

  /// Adds what a provider said; see [#isComparing] whether it must be compared.
  void add(Vote vote) {
    if (!comparison.reads() || vote.outcome != Outcome.DONE) {
      votes.add(vote);
      return;
    }
    boolean others = false;
    for (Vote earlier : votes) {
      if (earlier.outcome == Outcome.DONE) {
        others = true;
        if (earlier.outputs.equals(vote.outputs)) {
          votes.add(vote.like(earlier.like));
          return;
        }
      }
    }
    votes.add(vote.like(vote.entry));
    comparing = others;
  }

  /// Whether the last vote must be compared before anything follows from what was said.
  boolean isComparing() {
    return comparing;
  }

  /// From a snapshot.
  void resumeComparing() {
    comparing = true;
  }

  /// What the last provider gave.
  Effect.Compared compared() {
    return votes.getLast().asCompared();
  }

  /// With what it is compared: of those that are alike the first.
  List<Effect.Compared> comparedWith() {
    return votes.subList(0, votes.size() - 1).stream()
        .filter(v -> v.outcome == Outcome.DONE && v.like == v.entry)
        .map(Vote::asCompared)
        .toList();
  }

  /// The last vote is like the one of a record, or like none.
  ///
  /// @param like index of the record, its own if it is like none
  void compared(long like) {
    votes.add(votes.removeLast().like(like));
    comparing = false;
  }

  /// Whether the result counted before, until its provider was found out.
  boolean isReview() {
    return votes.stream().anyMatch(Vote::doubted);
  }

  /// What one provider said.
  ///
  /// @param entry index of its record
  /// @param outcome DONE or TASK_FAILED
  /// @param reason of a failure
  /// @param gas -1 if none was counted
  /// @param overtime whether the attempt failed for want of time, which says nothing about other
  ///   machines
  /// @param charge what it is paid if it counts, microcredits
  /// @param doubted whether it counted until its provider was found out: then it costs nothing
  /// @param like where more than bytes are compared, the first record whose result this one is
  ///   like, which may be its own; else -1
  record Vote(
      long entry,
      Address provider,
      Outcome outcome,
      String reason,
      long gas,
      boolean overtime,
      List<Blob> outputs,
      long charge,
      boolean doubted,
      long like) {
    Vote like(long record) {
      return new Vote(
          entry, provider, outcome, reason, gas, overtime, outputs, charge, doubted, record);
    }

    private Effect.Compared asCompared() {
      return new Effect.Compared(entry, outputs);
    }

    static Vote of(Entry entry, TaskKind kind) {
      ExecutionRecord r = entry.record();
      boolean failed = r.outcome() == Outcome.TASK_FAILED;
      long limitNs = kind.wallLimitMs() * 1_000_000;
      return new Vote(
          entry.index(),
          r.provider(),
          r.outcome(),
          failed ? r.reason() : "",
          r.usage().gas().orElse(-1),
          failed && r.usage().wallNs().orElse(0) >= limitNs / 10 * 9,
          r.outputs(),
          r.charge(),
          false,
          BY_BYTES);
    }

    /// What a task's result was, now that its provider's word does not do any more.
    static Vote doubted(Graph graph, int task, Address provider) {
      Backings b = graph.backings;
      return new Vote(
          b.entry(task),
          provider,
          Outcome.DONE,
          "",
          b.gas(task),
          false,
          graph.outputs(task),
          0,
          true,
          BY_BYTES);
    }

    /// Whether two providers say the same. How much gas a failed attempt had used depends on the
    /// limit under which it ran.
    boolean agrees(Vote other) {
      if (outcome != other.outcome) {
        return false;
      }
      if (outcome == Outcome.DONE && like != BY_BYTES) {
        return like == other.like;
      }
      return outcome == Outcome.TASK_FAILED
          || (outputs.equals(other.outputs) && (gas < 0 || other.gas < 0 || gas == other.gas));
    }
  }

  /// Those that agree with what most say; of equally many the ones with the earliest record.
  List<Vote> leading() {
    List<Vote> best = List.of();
    for (Vote vote : votes) {
      List<Vote> same = votes.stream().filter(vote::agrees).toList();
      if (same.size() > best.size()) {
        best = same;
      }
    }
    return best;
  }

  /// Indices of the providers that said something, of those that are known.
  int[] voters(State state) {
    return votes.stream()
        .map(v -> state.providersByAddress.get(v.provider))
        .filter(Objects::nonNull)
        .mapToInt(p -> p.index)
        .toArray();
  }

  boolean isUnanimous() {
    return leading().size() == votes.size();
  }

  /// Whether what most say counts: so many agree, and once anybody disagreed, so many more than all
  /// others.
  boolean isSettled(int quorum) {
    int agree = leading().size();
    int differ = votes.size() - agree;
    return agree >= quorum && (differ == 0 || agree >= differ + quorum);
  }
}
