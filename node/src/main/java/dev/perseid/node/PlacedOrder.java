package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.ModelOrder;
import dev.perseid.core.Outcome;
import dev.perseid.core.Served;
import dev.perseid.core.Usage;
import dev.perseid.gateway.Market;
import dev.perseid.inference.Answer;
import dev.perseid.inference.AnswerScan;
import dev.perseid.inference.Api;
import dev.perseid.inference.BrokenAnswer;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import dev.perseid.inference.Tokens;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// One request on its way: passes the answer on, and meters it. In the end it knows what it costs.
///
/// [#part], [#done] and [#failed] come one after another; [#lost] may come at any time.
final class PlacedOrder implements Answer {
  /// Who wants to know that it has ended.
  interface End {
    /// Called once.
    ///
    /// @param record what will be recorded if the provider signs it
    /// @param claim what the provider says that it used
    void ended(PlacedOrder order, Served served, ExecutionRecord record, Claim claim);
  }

  /// A receiver that also wants to know how many tokens the provider says that it has made so far:
  /// of a sealed answer nobody between the two can count them.
  interface CountedReceiver extends Market.Receiver {
    /// As [Market.Receiver#part].
    void part(byte[] json, long tokens);
  }

  /// By the provider's clock, where it said so.
  record Times(OptionalLong startedUs, OptionalLong firstTokenUs, OptionalLong endedUs) {
    static final Times UNKNOWN =
        new Times(OptionalLong.empty(), OptionalLong.empty(), OptionalLong.empty());

    /// Whether they follow one another, with none missing before another.
    boolean inOrder() {
      long started = startedUs.orElse(-1);
      long ended = endedUs.orElse(-1);
      long first = firstTokenUs.orElse(started);
      return started >= 0 && started <= first && first <= ended;
    }
  }

  final ModelOrder order;

  /// The API key with which it was asked and those above it.
  final List<Hash> keys;

  final Desk desk;
  final Request request;
  final boolean sealed;
  final long maxTokens;
  private final Address pool;
  private final Market.Receiver receiver;
  private final long mostPrompt;
  private final long mostRows;
  private final Optional<Tokens> tokens;
  private final End end;
  private final long placedNs;
  private final MessageDigest digest;

  /// Whether the answer is whole is not taken on a provider's word; the pool's own calls of servers
  /// look themselves, and what is sealed the consumer's gateway looks at.
  private final @Nullable AnswerScan scan;

  private final List<byte[]> kept = new ArrayList<>();
  private long bytes;
  private long firstNs;
  private long visibleTokens;
  private Times times = Times.UNKNOWN;
  private boolean ended;
  private @Nullable Runnable stop;
  private boolean stopped;
  private long stoppedNs;

  /// @param mostPrompt the most tokens that the prompt can have, by own count
  /// @param mostRows the most rows that can be billed, by own count
  PlacedOrder(
      Address pool,
      ModelOrder order,
      List<Hash> keys,
      Desk desk,
      Request request,
      boolean sealed,
      long maxTokens,
      long mostPrompt,
      long mostRows,
      Optional<Tokens> tokens,
      Market.Receiver receiver,
      End end) {
    this.pool = pool;
    this.order = order;
    this.keys = keys;
    this.desk = desk;
    this.request = request;
    this.sealed = sealed;
    this.maxTokens = maxTokens;
    this.mostPrompt = mostPrompt;
    this.mostRows = mostRows;
    this.tokens = tokens;
    this.receiver = receiver;
    this.end = end;
    this.placedNs = System.nanoTime();
    this.digest = sha256();
    this.scan =
        sealed || desk.direct.isPresent() || request.api() == Api.INFER
            ? null
            : new AnswerScan(request.api());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  /// The parts of a chat's answer, where the pool has its tokenizer; complete when it has ended.
  List<byte[]> parts() {
    return kept;
  }

  /// How to stop what runs; stops it at once if it was cancelled meanwhile.
  void stopWith(Runnable how) {
    boolean now;
    synchronized (this) {
      stop = how;
      now = stopped || ended;
    }
    if (now) {
      how.run();
    }
  }

  /// The consumer does not want the rest.
  void cancel() {
    Runnable how;
    synchronized (this) {
      if (stopped || ended) {
        return;
      }
      stopped = true;
      stoppedNs = System.nanoTime();
      how = stop;
    }
    if (how != null) {
      how.run();
    }
  }

  /// For how long it has been cancelled, 0 if it is not.
  synchronized long cancelledFor(long nowNs) {
    return stopped ? Math.max(1, nowNs - stoppedNs) : 0;
  }

  /// Completion tokens that the provider says a sealed answer has so far.
  synchronized void visible(long cumulative) {
    visibleTokens = Math.max(visibleTokens, cumulative);
  }

  private synchronized long visible() {
    return visibleTokens;
  }

  /// When things happened, by the provider's clock.
  synchronized void times(Times said) {
    times = said;
  }

  @Override
  public void part(byte[] json) {
    String wrong = "";
    synchronized (this) {
      if (ended) {
        return;
      }
      if (firstNs == 0) {
        firstNs = System.nanoTime();
      }
      bytes += json.length;
      wrong =
          bytes > MarketLimits.ANSWER_BYTES
              ? "the provider's answer is longer than " + MarketLimits.ANSWER_BYTES + " bytes"
              : looked(json);
      digest.update(json);
      if (tokens.isPresent() && !sealed) {
        kept.add(json);
      }
    }
    if (!wrong.isEmpty()) {
      cancel();
      failed(new Failure(Failure.Kind.BROKEN, wrong), Claim.NONE);
      return;
    }
    if (receiver instanceof CountedReceiver counted) {
      counted.part(json, visible());
    } else {
      receiver.part(json);
    }
  }

  /// What is wrong with a part, or nothing.
  private String looked(byte[] json) {
    AnswerScan s = scan;
    if (s == null) {
      return "";
    }
    try {
      if (request.stream()) {
        s.chunk(json);
      } else {
        s.whole(json);
      }
      return s.error() ? "the provider sent an error in the place of an answer" : "";
    } catch (BrokenAnswer e) {
      return "the provider's answer is broken: " + e.what();
    }
  }

  @Override
  public void done(Claim claim) {
    finish(null, claim);
  }

  @Override
  public void failed(Failure failure, Claim claim) {
    finish(failure, claim);
  }

  /// The provider is gone.
  void lost(String reason) {
    finish(new Failure(Failure.Kind.BROKEN, reason), Claim.NONE);
  }

  /// What really came of it, whatever the provider says: an answer that is empty or cut is none,
  /// and cancelled is only what the consumer cancelled.
  private @Nullable Failure truth(@Nullable Failure said) {
    if (said == null && bytes == 0) {
      return new Failure(Failure.Kind.BROKEN, "the provider's answer was empty");
    }
    if (said == null && scan != null && request.api() != Api.EMBEDDING && !scan.complete(1)) {
      return new Failure(Failure.Kind.BROKEN, "the provider ended its answer in the middle");
    }
    if (said != null && said.kind() == Failure.Kind.CANCELLED && !stopped) {
      return new Failure(Failure.Kind.BROKEN, "the provider gave the answer up unasked");
    }
    return said;
  }

  private void finish(@Nullable Failure said, Claim claim) {
    Failure failure;
    Served served;
    synchronized (this) {
      if (ended) {
        return;
      }
      ended = true;
      failure = truth(said);
      served = served(failure, claim);
    }
    ExecutionRecord record = ExecutionRecord.of(pool, order, served, desk.offer(), desk.model());
    Market.Bill bill =
        new Market.Bill(
            served.promptTokens(),
            served.cachedTokens(),
            served.completionTokens(),
            served.rows(),
            record.charge());
    long now = System.nanoTime();
    desk.stats.add(
        served.outcome() == Outcome.PROVIDER_FAILED || served.outcome() == Outcome.LOST,
        firstNs == 0 ? 0 : firstNs - placedNs,
        firstNs == 0 ? 0 : now - firstNs,
        served.completionTokens(),
        served.usage().energyUj());
    try {
      end.ended(this, served, record, claim);
    } finally {
      if (failure == null) {
        receiver.done(bill);
      } else {
        receiver.failed(failure, bill);
      }
    }
  }

  private Served served(@Nullable Failure failure, Claim claim) {
    Outcome outcome = failure == null ? Outcome.DONE : outcome(failure.kind());
    boolean language = request.api() == Api.CHAT || request.api() == Api.COMPLETION;
    long prompt = Math.clamp(claim.promptTokens(), 0, mostPrompt);
    long cached = Math.clamp(claim.cachedTokens(), 0, prompt);
    long completion = language ? Math.clamp(claim.completionTokens(), 0, mostCompletion()) : 0;
    long rows = language ? 0 : Math.clamp(claim.rows(), 0, mostRows);
    long wallNs = System.nanoTime() - placedNs;
    Usage usage =
        new Usage(
            claim.gas(),
            claim.computeNs(),
            OptionalLong.of(wallNs),
            OptionalLong.empty(),
            OptionalLong.of(order.request().sizeBytes()),
            OptionalLong.of(bytes),
            OptionalLong.empty(),
            claim.gpuNs(),
            claim.energyUj(),
            claim.energyBy());
    Times t = times;
    if (t.equals(Times.UNKNOWN) || !t.inOrder()) {
      // The provider's clock says nothing that can be, or the pool spoke to the provider's server
      // itself: its own clock is all there is.
      long endUs = order.assignedUs() + wallNs / 1_000;
      t =
          new Times(
              OptionalLong.of(order.assignedUs()),
              firstNs == 0
                  ? OptionalLong.empty()
                  : OptionalLong.of(order.assignedUs() + (firstNs - placedNs) / 1_000),
              OptionalLong.of(endUs));
    }
    String reason =
        failure == null ? "" : InferenceParts.line(failure.message(), Limits.REASON_CHARS / 2);
    Blob answer = bytes == 0 ? Blob.EMPTY : new Blob(Hash.of(digest.digest()), bytes);
    return new Served(
        outcome,
        reason,
        t.startedUs(),
        t.firstTokenUs(),
        t.endedUs(),
        prompt,
        cached,
        completion,
        rows,
        usage,
        answer);
  }

  /// The most completion tokens that can be in what was delivered: by the model's own tokenizer
  /// where the pool has it, else each has at least one byte.
  private long mostCompletion() {
    long most = Math.min(maxTokens, bytes);
    if (sealed) {
      return Math.min(most, visibleTokens);
    }
    return tokens.map(t -> Math.min(most, AnswerText.mostTokens(kept, t))).orElse(most);
  }

  private static Outcome outcome(Failure.Kind kind) {
    return switch (kind) {
      case INVALID, TOO_LONG, REFUSED, UNPAID -> Outcome.TASK_FAILED;
      case BUSY, BROKEN, TIMEOUT -> Outcome.PROVIDER_FAILED;
      case CANCELLED -> Outcome.CANCELLED;
    };
  }
}
