package dev.perseid.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Capacity;
import dev.perseid.core.Entry;
import dev.perseid.core.Epoch;
import dev.perseid.core.Event;
import dev.perseid.core.EventCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Inference;
import dev.perseid.core.Lease;
import dev.perseid.core.Outcome;
import dev.perseid.core.Payout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/// The test of the test: bugs planted between the pool and the world, each of which must be caught
/// within a few seeds, by the rule that it breaks.
final class PlantedBugsTest {
  private static final long SEEDS = 30;

  /// So many worlds until some provider is found out that was believed.
  private static final long DOUBTFUL_SEEDS = 120;

  @Test
  void anEntryThatTheArchiveDrops() {
    caught(
        "archive",
        () ->
            new Sabotage() {
              @Override
              public boolean archives(Entry entry) {
                return entry.index() != 3;
              }
            });
  }

  @Test
  void aRecordThatTheLogDrops() {
    caught(
        "entry 3 follows 1",
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                if (!(event instanceof Event.AttemptEnded e) || e.entry().index() != 2) {
                  out.add(event);
                }
              }
            });
  }

  @Test
  void aRecordThatIsThereTwice() {
    caught(
        "entry 2 follows 2",
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                out.add(event);
                if (event instanceof Event.AttemptEnded e && e.entry().index() == 2) {
                  out.add(event);
                }
              }
            });
  }

  @Test
  void aLeaseThatIsPaidTwice() {
    caught(
        "ended twice",
        () ->
            new Rewritten() {
              private long shift;

              @Override
              void rewrite(Event event, List<Event> out) {
                if (!(event instanceof Event.AttemptEnded e)) {
                  out.add(event);
                  return;
                }
                out.add(moved(e, e.entry().record()));
                if (shift == 0 && e.entry().record().charge() > 0) {
                  shift++;
                  out.add(moved(e, e.entry().record()));
                }
              }

              private Event moved(Event.AttemptEnded e, ExecutionRecord r) {
                Entry x = e.entry();
                return new Event.AttemptEnded(
                    new Entry(x.index() + shift, x.recordedUs(), r, x.attestation()), e.next());
              }
            });
  }

  @Test
  void aProviderIsMeasuredThatWasNotAsked() {
    caught(
        "was measured though it was not asked",
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                if (!(event instanceof Event.CapacityAsked)) {
                  out.add(event);
                }
              }
            });
  }

  /// In worlds where the network does not hide what providers have.
  @Test
  void whatProvidersDeclareIsBelieved() {
    caught(
        "is said to have shown more than it has",
        DOUBTFUL_SEEDS,
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                out.add(
                    event instanceof Event.CapacityMeasured e
                        ? new Event.CapacityMeasured(
                            e.id(),
                            e.provider(),
                            new Capacity(
                                e.capacity().atUs(),
                                4 * e.capacity().cores(),
                                e.capacity().memoryBytes(),
                                1,
                                ""),
                            e.nextUs())
                        : event);
              }
            });
  }

  @Test
  void moreThanWasPaidIsTakenBack() {
    caught(
        "too much",
        DOUBTFUL_SEEDS,
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                out.add(
                    event instanceof Event.ResultsDoubted e
                        ? new Event.ResultsDoubted(
                            e.job(), e.provider(), Long.MAX_VALUE / 2, e.atUs())
                        : event);
              }
            });
  }

  @Test
  void aDoubtThatTheLogDrops() {
    caught(
        "is done and was assigned again",
        DOUBTFUL_SEEDS,
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                if (!(event instanceof Event.ResultsDoubted)) {
                  out.add(event);
                }
              }
            });
  }

  @Test
  void aChargeThatIsTooHigh() {
    caught(
        "and should cost",
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                if (event instanceof Event.AttemptEnded e
                    && e.entry().record().outcome() == Outcome.LOST) {
                  Entry x = e.entry();
                  out.add(
                      new Event.AttemptEnded(
                          new Entry(
                              x.index(), x.recordedUs(), charged(x.record(), 1), x.attestation()),
                          e.next()));
                } else {
                  out.add(event);
                }
              }
            });
  }

  @Test
  void aRefundThatComesShort() {
    caught(
        "returned",
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                out.add(
                    event instanceof Event.JobEnded e && e.refund() > 0
                        ? new Event.JobEnded(
                            e.job(), e.state(), e.reason(), e.refund() - 1, e.atUs())
                        : event);
              }
            });
  }

  @Test
  void aLeaseThatTheLogForgets() {
    caught(
        "its log says 0",
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                if (!(event instanceof Event.TaskAssigned e) || e.lease() != 2) {
                  out.add(event);
                }
              }
            });
  }

  @Test
  void aLeaseThatTheProviderForgets() {
    caught(
        "everything is over and yet",
        () ->
            new Sabotage() {
              @Override
              public int runs(Lease lease) {
                return lease.id() == 2 ? 0 : 1;
              }
            });
  }

  @Test
  void anAnswerBeforeItsEventsAreDurable() {
    caught(
        "was confirmed, the durable log has Optional.empty",
        () ->
            new Sabotage() {
              @Override
              public boolean durableTooEarly(List<Event> events) {
                return events.stream().anyMatch(e -> e instanceof Event.JobAccepted);
              }
            });
  }

  @Test
  void aLeaseThatIsSentBeforeItIsDurable() {
    caught(
        "was sent before the log had it",
        () ->
            new Sabotage() {
              @Override
              public boolean durableTooEarly(List<Event> events) {
                return events.stream()
                    .noneMatch(
                        e -> e instanceof Event.JobAccepted || e instanceof Event.AttemptEnded);
              }
            });
  }

  @Test
  void aRecordThatIsArchivedBeforeItIsDurable() {
    caught(
        "was archived and is not in the durable log",
        () ->
            new Sabotage() {
              @Override
              public boolean durableTooEarly(List<Event> events) {
                return events.stream().anyMatch(e -> e instanceof Event.AttemptEnded);
              }
            });
  }

  @Test
  void aLogThatLosesItsTail() {
    caught(
        "",
        () ->
            new Sabotage() {
              @Override
              public List<byte[]> reread(List<byte[]> log) {
                return log.isEmpty() ? log : log.subList(0, log.size() - 1);
              }
            });
  }

  @Test
  void aLogThatIsReadWithAHole() {
    caught(
        "",
        () ->
            new Sabotage() {
              @Override
              public List<byte[]> reread(List<byte[]> log) {
                List<byte[]> out = new ArrayList<>();
                for (byte[] batch : log) {
                  List<Event> events = new ArrayList<>(EventCodec.decode(batch));
                  events.removeIf(e -> e instanceof Event.Granted);
                  out.add(EventCodec.encode(events));
                }
                return out;
              }
            });
  }

  @Test
  void aFinishedTaskThatIsAssignedAgain() {
    caught(
        "is done and was assigned again",
        () ->
            new Rewritten() {
              private final List<Event.TaskAssigned> made = new ArrayList<>();

              @Override
              void rewrite(Event event, List<Event> out) {
                out.add(event);
                if (event instanceof Event.TaskAssigned a) {
                  made.add(a);
                }
                if (event instanceof Event.AttemptEnded e && e.next() == Event.Next.DONE) {
                  for (Event.TaskAssigned a : made) {
                    if (a.lease() == e.entry().record().lease()) {
                      out.add(
                          new Event.TaskAssigned(
                              1_000_000,
                              a.job(),
                              a.task(),
                              a.attempt() + 1,
                              a.provider(),
                              0,
                              e.entry().recordedUs()));
                    }
                  }
                }
              }
            });
  }

  @Test
  void aLeaseThatIsRunTwice() {
    caught(
        "twice",
        () ->
            new Sabotage() {
              @Override
              public int runs(Lease lease) {
                return lease.id() == 2 ? 2 : 1;
              }
            });
  }

  @Test
  void aVoucherThatTheLogForgets() {
    caught(
        "whose vouchers have left",
        () -> money(e -> Optional.of(e).filter(x -> !(x instanceof Event.VoucherTaken))));
  }

  @Test
  void anEpochThatForgetsAPayee() {
    caught("forgets", () -> epochs(payouts -> payouts.subList(1, payouts.size())));
  }

  @Test
  void anEpochThatOwesTooMuch() {
    caught(
        "which is due",
        () ->
            epochs(payouts ->
                payouts.stream()
                    .map(p -> new Payout(p.payee(), p.cumulative() + 1, p.pushed()))
                    .toList()));
  }

  private static Sabotage epochs(UnaryOperator<List<Payout>> change) {
    return money(event -> {
      if (!(event instanceof Event.EpochClosed(Epoch e)) || e.payouts().isEmpty()) {
        return Optional.of(event);
      }
      return Optional.of(
          new Event.EpochClosed(
              new Epoch(
                  e.number(),
                  e.vouchers(),
                  List.copyOf(change.apply(e.payouts())),
                  e.recordsSize(),
                  e.recordsRoot(),
                  e.leastEarned(),
                  e.closedUs())));
    });
  }

  private static Sabotage money(Function<Event, Optional<Event>> change) {
    return new Rewritten() {
      @Override
      void rewrite(Event event, List<Event> out) {
        change.apply(event).ifPresent(out::add);
      }
    };
  }

  @Test
  void aRequestThatIsNotPaid() {
    caught("and should cost", () -> requests(e -> repaid(e, 0, 0, 0)));
  }

  @Test
  void anAuthorWhoIsNotPaid() {
    caught(
        "which is not how its offer divides",
        () ->
            requests(e -> {
              ExecutionRecord r = e.record();
              return repaid(e, r.charge(), 0, r.inference().orElseThrow().toPool());
            }));
  }

  @Test
  void aPoolThatTakesTheProvidersPart() {
    caught(
        "which is not how its offer divides",
        () ->
            requests(e -> {
              ExecutionRecord r = e.record();
              long toAuthor = r.inference().orElseThrow().toAuthor();
              return repaid(e, r.charge(), toAuthor, r.charge() - toAuthor);
            }));
  }

  @Test
  void aRequestThatIsRecordedTwice() {
    caught(
        "was recorded twice",
        () ->
            new Rewritten() {
              private long shift;

              @Override
              void rewrite(Event event, List<Event> out) {
                if (event instanceof Event.InferenceRecorded e) {
                  out.add(new Event.InferenceRecorded(moved(e.entry())));
                  if (shift == 0) {
                    shift++;
                    out.add(new Event.InferenceRecorded(moved(e.entry())));
                  }
                } else if (event instanceof Event.AttemptEnded e) {
                  out.add(new Event.AttemptEnded(moved(e.entry()), e.next()));
                } else {
                  out.add(event);
                }
              }

              private Entry moved(Entry x) {
                return new Entry(x.index() + shift, x.recordedUs(), x.record(), x.attestation());
              }
            });
  }

  @Test
  void aTabThatReturnsTooMuch() {
    caught(
        "returned",
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                out.add(
                    event instanceof Event.TabEmptied e
                        ? new Event.TabEmptied(e.consumer(), e.amount() + 1, e.atUs())
                        : event);
              }
            });
  }

  @Test
  void anAuditThatTheLogForgets() {
    caught(
        "other things by audits",
        () ->
            new Rewritten() {
              private boolean forgotten;

              @Override
              void rewrite(Event event, List<Event> out) {
                if (event instanceof Event.Audited && !forgotten) {
                  forgotten = true;
                } else {
                  out.add(event);
                }
              }
            });
  }

  @Test
  void auditsThatReturnTooMuch() {
    caught(
        "the account of audits",
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                out.add(
                    event instanceof Event.AuditsClosed e
                        ? new Event.AuditsClosed(e.account(), e.amount() + 1, e.atUs())
                        : event);
              }
            });
  }

  @Test
  void offersThatTheLogForgets() {
    caught(
        "offers other models",
        () ->
            new Rewritten() {
              @Override
              void rewrite(Event event, List<Event> out) {
                if (!(event instanceof Event.ModelsOffered)) {
                  out.add(event);
                }
              }
            });
  }

  /// Rewrites the records of requests that cost something.
  private static Sabotage requests(UnaryOperator<Entry> change) {
    return new Rewritten() {
      @Override
      void rewrite(Event event, List<Event> out) {
        out.add(
            event instanceof Event.InferenceRecorded e && e.entry().record().charge() > 0
                ? new Event.InferenceRecorded(change.apply(e.entry()))
                : event);
      }
    };
  }

  private static Entry repaid(Entry x, long charge, long toAuthor, long toPool) {
    Inference i = x.record().inference().orElseThrow();
    ExecutionRecord r =
        x.record()
            .with(
                charge,
                new Inference(
                    i.api(),
                    i.quantisation(),
                    i.promptTokens(),
                    i.cachedTokens(),
                    i.completionTokens(),
                    i.rows(),
                    i.firstTokenUs(),
                    i.author(),
                    toAuthor,
                    toPool));
    return new Entry(x.index(), x.recordedUs(), r, x.attestation());
  }

  /// Rewrites what the log is given, event by event.
  private abstract static class Rewritten implements Sabotage {
    abstract void rewrite(Event event, List<Event> out);

    @Override
    public final List<Event> written(List<Event> events) {
      List<Event> out = new ArrayList<>();
      for (Event e : events) {
        rewrite(e, out);
      }
      return out;
    }
  }

  private static void caught(String by, Supplier<Sabotage> bug) {
    caught(by, SEEDS, bug);
  }

  private static void caught(String by, long seeds, Supplier<Sabotage> bug) {
    List<String> messages =
        LongStream.rangeClosed(1, seeds)
            .parallel()
            .mapToObj(seed -> violation(seed, bug.get()))
            .filter(m -> !m.isEmpty())
            .toList();
    assertThat(messages).as("seeds of %d that noticed", seeds).isNotEmpty();
    assertThat(messages).as("what they noticed").anySatisfy(m -> assertThat(m).contains(by));
    assertThat(messages).allSatisfy(m -> assertThat(m).contains("./perseid sim --seed "));
  }

  private static String violation(long seed, Sabotage bug) {
    try {
      Simulation.run(seed, new CheapSeals(), bug, null);
      return "";
    } catch (Violation v) {
      return v.getMessage();
    }
  }

  private static ExecutionRecord charged(ExecutionRecord r, long charge) {
    return new ExecutionRecord(
        r.pool(),
        r.job(),
        r.task(),
        r.taskName(),
        r.kind(),
        r.attempt(),
        r.lease(),
        r.consumer(),
        r.provider(),
        r.offer(),
        r.module(),
        r.argsHash(),
        r.inputs(),
        r.dependsOn(),
        r.gasLimit(),
        r.memoryBytes(),
        r.cores(),
        r.submittedUs(),
        r.readyUs(),
        r.assignedUs(),
        r.startedUs(),
        r.endedUs(),
        r.outcome(),
        r.reason(),
        r.usage(),
        r.outputs(),
        r.engine(),
        r.isolation(),
        charge);
  }
}
