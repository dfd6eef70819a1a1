package dev.perseid.inference;

import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// What is held against one provider's serving of one model: sequential tests over all evidence so
/// far. Immutable and pure. Its state can be written down and taken up again, exactly.
///
/// An honest provider, one whose means stay below the [Baseline], is ever called a cheat with
/// probability at most 1 in 10,000, however long it is audited and however often somebody looks.
/// Each [Sign] has an equal share of that.
public final class Suspicion {
  private static final double ALPHA = AuditLimits.FALSE_ALARM / Sign.values().length;
  private static final double BETA = AuditLimits.FALSE_CLEARANCE;

  /// How [#tests] are to be read.
  private static final long FORM = 1;

  // A sign's number is its place in this list, for ever.
  private static final List<Sign> SIGNS =
      List.of(
          Sign.MARGIN, Sign.TILT, Sign.LOGPROB, Sign.COUNT, Sign.FINISH, Sign.REPEAT, Sign.COPY);

  private static final int NUMBERS = 5 + 5 * Scales.NUMBERS + TiltScales.NUMBERS;

  private final Scales margin;
  private final TiltScales tilt;
  private final Scales logprob;
  private final Scales count;
  private final Scales finish;
  private final Scales repeat;
  private final double copy;
  private final long tokens;
  private final long audits;
  private final Optional<Verdict> caught;

  private Suspicion(
      Scales margin,
      TiltScales tilt,
      Scales logprob,
      Scales count,
      Scales finish,
      Scales repeat,
      double copy,
      long tokens,
      long audits,
      Optional<Verdict> caught) {
    this.margin = margin;
    this.tilt = tilt;
    this.logprob = logprob;
    this.count = count;
    this.finish = finish;
    this.repeat = repeat;
    this.copy = copy;
    this.tokens = tokens;
    this.audits = audits;
    this.caught = caught;
  }

  /// Nothing is known yet.
  public static Suspicion fresh(Baseline baseline) {
    return new Suspicion(
        Scales.of(
            baseline.margin(),
            baseline.marginCheat(),
            AuditLimits.MARGIN_CLIP / AuditLimits.FINE_CLIP),
        TiltScales.fresh(),
        Scales.of(baseline.logprob(), baseline.logprobCheat(), 1),
        Scales.of(AuditLimits.COUNT_LOW, AuditLimits.COUNT_HIGH, 1),
        Scales.of(AuditLimits.FINISH_LOW, AuditLimits.FINISH_HIGH, 1),
        Scales.of(AuditLimits.REPEAT_LOW, AuditLimits.REPEAT_HIGH, 1),
        0,
        0,
        0,
        Optional.empty());
  }

  /// Takes it up again where [#tests] left it.
  ///
  /// @throws IllegalArgumentException if these are no such numbers
  public static Suspicion of(Baseline baseline, List<Long> tests) {
    if (tests.size() != NUMBERS || tests.getFirst() != FORM) {
      throw new IllegalArgumentException(
          "the tests of an audit have another form: " + tests.size() + " numbers");
    }
    LongBuffer in = LongBuffer.wrap(tests.stream().mapToLong(x -> x).toArray()).position(1);
    Suspicion fresh = fresh(baseline);
    long tokens = in.get();
    long audits = in.get();
    int sign = Math.toIntExact(in.get());
    double copy = Double.longBitsToDouble(in.get());
    Suspicion then =
        new Suspicion(
            fresh.margin.as(in),
            TiltScales.of(in),
            fresh.logprob.as(in),
            fresh.count.as(in),
            fresh.finish.as(in),
            fresh.repeat.as(in),
            copy,
            tokens,
            audits,
            Optional.empty());
    return sign == 0 ? then : then.caughtBy(SIGNS.get(sign - 1));
  }

  /// All that is known, as numbers: [#of] makes the very same of them.
  public List<Long> tests() {
    LongBuffer out = LongBuffer.allocate(NUMBERS);
    long sign = caught.flatMap(Verdict::sign).map(s -> SIGNS.indexOf(s) + 1).orElse(0);
    out.put(FORM).put(tokens).put(audits).put(sign).put(Double.doubleToRawLongBits(copy));
    margin.write(out);
    tilt.write(out);
    logprob.write(out);
    count.write(out);
    finish.write(out);
    repeat.write(out);
    return Arrays.stream(out.array()).boxed().toList();
  }

  /// With the evidence of one more audit. Once a provider is caught, nothing changes any more.
  public Suspicion with(Evidence evidence) {
    if (caught.isPresent()) {
      return this;
    }
    Suspicion next =
        new Suspicion(
            margin.with(evidence.margins, ALPHA, BETA),
            tilt.with(evidence, ALPHA, BETA),
            logprob.with(evidence.logprobs, ALPHA, BETA),
            count.with(evidence.counts, ALPHA, BETA),
            finish.with(evidence.finishes, ALPHA, BETA),
            repeat.with(evidence.repeats, ALPHA, BETA),
            copied(evidence),
            tokens + evidence.tokens,
            audits + 1,
            Optional.empty());
    return next.betrayed().map(next::caughtBy).orElse(next);
  }

  private double copied(Evidence evidence) {
    double sum = copy;
    for (double x : evidence.copies) {
      sum += x;
    }
    return sum;
  }

  private Optional<Sign> betrayed() {
    List<Sign> signs = new ArrayList<>();
    if (margin.tipped()) {
      signs.add(Sign.MARGIN);
    }
    if (tilt.tipped()) {
      signs.add(Sign.TILT);
    }
    if (logprob.tipped()) {
      signs.add(Sign.LOGPROB);
    }
    if (count.tipped()) {
      signs.add(Sign.COUNT);
    }
    if (finish.tipped()) {
      signs.add(Sign.FINISH);
    }
    if (repeat.tipped()) {
      signs.add(Sign.REPEAT);
    }
    if (copy >= -Math.log(ALPHA)) {
      signs.add(Sign.COPY);
    }
    return signs.stream().findFirst();
  }

  private Suspicion caughtBy(Sign sign) {
    Verdict verdict =
        new Verdict(Verdict.Decision.CHEATING, Optional.of(sign), tokens, audits, because(sign));
    return new Suspicion(
        margin, tilt, logprob, count, finish, repeat, copy, tokens, audits, Optional.of(verdict));
  }

  private static String because(Sign sign) {
    return switch (sign) {
      case MARGIN ->
          "its tokens are not those that the model chooses with the same seed: another model,"
              + " quantisation, temperature, seed or prompt";
      case TILT ->
          "its tokens are not distributed like the model's: another model or another temperature";
      case LOGPROB -> "the probabilities that it states are not the model's";
      case COUNT -> "it claims more tokens than there are";
      case FINISH -> "its answers end where the stated reason does not hold";
      case REPEAT -> "it answers the same request with the same seed differently";
      case COPY -> "it gives the very same answer where it was to draw anew";
    };
  }

  /// What can be said now.
  public Verdict verdict() {
    if (caught.isPresent()) {
      return caught.get();
    }
    boolean read = margin.cleared() || tilt.cleared();
    return new Verdict(
        read ? Verdict.Decision.HONEST : Verdict.Decision.UNDECIDED,
        Optional.empty(),
        tokens,
        audits,
        margin.cleared()
            ? "its tokens are the model's, as far as was looked"
            : read
                ? "its tokens are distributed like the model's; without a shared seed a coarser"
                    + " quantisation would not show"
                : "not enough was audited to say anything");
  }

  /// Tokens that were compared with the model so far.
  public long tokens() {
    return tokens;
  }

  /// Audits so far.
  public long audits() {
    return audits;
  }
}
