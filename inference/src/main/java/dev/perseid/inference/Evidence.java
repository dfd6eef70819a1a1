package dev.perseid.inference;

import dev.perseid.core.AuditNote;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What one audit found: facts, no verdict. Immutable. [Suspicion] weighs it.
public final class Evidence {
  /// Exponents by which the distribution may be bent: above 0 it is flatter than the model's
  /// (higher temperature, another or a coarser model), below 0 it is sharper.
  static final double[] TILTS = {-1, -0.5, -0.2, 0.2, 0.4, 0.6};

  private static final float[] NONE = {};

  final int tokens;
  final int matches;
  final float[] margins;
  final int tilted;
  final double[] tilts;
  final double surprise;
  final float[] logprobs;
  final float[] counts;
  final float[] finishes;
  final float[] repeats;
  final double[] copies;
  private final long excessPrompt;
  private final long excessCompletion;

  private Evidence(Found f) {
    this.tokens = f.tokens;
    this.matches = f.matches;
    this.margins = f.margins;
    this.tilted = f.tilted;
    this.tilts = f.tilts;
    this.surprise = f.surprise;
    this.logprobs = f.logprobs;
    this.counts = f.counts;
    this.finishes = f.finishes;
    this.repeats = f.repeats;
    this.copies = f.copies;
    this.excessPrompt = f.excessPrompt;
    this.excessCompletion = f.excessCompletion;
  }

  /// What is found, while it is being found.
  static final class Found {
    int tokens;
    int matches;
    float[] margins = NONE;
    int tilted;
    double[] tilts = new double[TILTS.length];
    double surprise;
    float[] logprobs = NONE;
    float[] counts = NONE;
    float[] finishes = NONE;
    float[] repeats = NONE;
    double[] copies = new double[0];
    long excessPrompt;
    long excessCompletion;

    Evidence evidence() {
      return new Evidence(this);
    }
  }

  /// What there is of each sign, for the record: how many values, and their sum in millionths. Of
  /// [Sign#TILT] it is the greatest logarithm of a likelihood ratio; of [Sign#COPY] logarithms too.
  public List<AuditNote.Weighed> weighed() {
    List<AuditNote.Weighed> all = new ArrayList<>();
    add(all, Sign.MARGIN, margins);
    if (tilted > 0) {
      all.add(weighed(Sign.TILT, tilted, Arrays.stream(tilts).max().orElse(0)));
    }
    add(all, Sign.LOGPROB, logprobs);
    add(all, Sign.COUNT, counts);
    add(all, Sign.FINISH, finishes);
    add(all, Sign.REPEAT, repeats);
    if (copies.length > 0) {
      all.add(weighed(Sign.COPY, copies.length, Arrays.stream(copies).sum()));
    }
    return all;
  }

  private static void add(List<AuditNote.Weighed> all, Sign sign, float[] values) {
    double sum = 0;
    for (float x : values) {
      sum += x;
    }
    if (values.length > 0) {
      all.add(weighed(sign, values.length, sum));
    }
  }

  private static AuditNote.Weighed weighed(Sign sign, int values, double sum) {
    return new AuditNote.Weighed(sign.word(), values, Math.round(sum * 1e6));
  }

  /// Tokens that were compared with the model.
  public int tokens() {
    return tokens;
  }

  /// Tokens whose choice could be checked one by one.
  public int choices() {
    return margins.length;
  }

  /// How many of these were the model's choice.
  public int matches() {
    return matches;
  }

  /// Mean of how many logits the checked tokens were short of being chosen, each at most 2.
  public double meanMargin() {
    double sum = 0;
    for (float x : margins) {
      sum += x;
    }
    return margins.length == 0 ? 0 : sum / margins.length * AuditLimits.MARGIN_CLIP;
  }

  /// Mean distance between stated and true log probabilities, each at most 1; 0 if none was stated.
  public double meanLogprobDeviation() {
    double sum = 0;
    for (float x : logprobs) {
      sum += x;
    }
    return logprobs.length == 0 ? 0 : sum / logprobs.length * AuditLimits.LOGPROB_CLIP;
  }

  /// Minus the logarithm of the answer's probability, in nats.
  public double surprise() {
    return surprise;
  }

  /// Prompt tokens claimed and not there.
  public long excessPromptTokens() {
    return excessPrompt;
  }

  /// Completion tokens claimed and not there.
  public long excessCompletionTokens() {
    return excessCompletion;
  }

  /// Whether the stated finish reason fits the answer.
  public boolean finishFits() {
    return finishes.length == 0 || finishes[0] == 0;
  }
}
