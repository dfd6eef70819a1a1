package dev.perseid.core;

import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// Says what is wrong with the record of a request to a model before it is written and paid. What
/// stands in the record either follows from the order, the offer and the model, or was measured.
final class InferenceCheck {
  private static final List<String> APIS = List.of("chat", "completion", "embedding", "infer");

  private InferenceCheck() {}

  /// @param provider of whom the records are said to be
  /// @param signed whether the provider signed them
  static @Nullable String problem(
      ModelMarket market, Address self, Address provider, ExecutionRecord r, boolean signed) {
    Inference i = r.inference().orElse(null);
    if (i == null || !r.pool().equals(self) || !r.provider().equals(provider)) {
      return "it is not a request to a model of this provider in this pool";
    }
    SignedModelOffer offer = market.offers.get(r.offer());
    ModelMarket.ModelRow row = market.models.get(r.module());
    if (offer == null || !offer.offer().provider().equals(provider)) {
      return "its offer is not known here";
    }
    if (row == null
        || !offer.offer().model().equals(r.module())
        || !row.model.author().equals(i.author())) {
      return "its model is not the one that was offered";
    }
    String problem = texts(r, i);
    if (problem == null) {
      problem = numbers(r, i);
    }
    if (problem == null) {
      problem = times(r, i);
    }
    if (problem == null) {
      problem = money(r, i, offer.offer(), signed);
    }
    if (problem == null && !follows(r, i, self, offer.offer(), row.model)) {
      problem = "it does not follow from its order, its offer and its model";
    }
    if (problem == null && r.charge() > market.onTab(r.consumer())) {
      problem = "the consumer's tab does not cover its charge";
    }
    return problem;
  }

  private static @Nullable String texts(ExecutionRecord r, Inference i) {
    if (!Text.isName(r.taskName(), Limits.REQUEST_ID_CHARS)) {
      return "its id is not of 1 to " + Limits.REQUEST_ID_CHARS + " characters A-Z a-z 0-9 . _ -";
    }
    if (!APIS.contains(i.api())) {
      return "its call is " + Text.quote(i.api()) + ", none of " + APIS;
    }
    if (r.reason().length() > Limits.REASON_CHARS || !Text.isUnicode(r.reason())) {
      return "its reason is not a text of at most " + Limits.REASON_CHARS + " characters";
    }
    String energyBy = r.usage().energyBy();
    if (energyBy.length() > Limits.ENGINE_CHARS || !Text.isLine(energyBy)) {
      return "how its energy was obtained is not one line of at most "
          + Limits.ENGINE_CHARS
          + " characters";
    }
    return null;
  }

  private static @Nullable String numbers(ExecutionRecord r, Inference i) {
    if (i.promptTokens() < 0 || i.cachedTokens() < 0 || i.completionTokens() < 0 || i.rows() < 0) {
      return "it counts fewer than no tokens or rows";
    }
    if (i.cachedTokens() > i.promptTokens()) {
      return "its prompt has "
          + i.promptTokens()
          + " tokens, of which "
          + i.cachedTokens()
          + " cannot have been known";
    }
    if (r.lease() < 0) {
      return "its number is below zero";
    }
    Usage u = r.usage();
    for (OptionalLong measured :
        List.of(
            u.gas(),
            u.cpuNs(),
            u.wallNs(),
            u.peakMemoryBytes(),
            u.bytesIn(),
            u.bytesOut(),
            u.fetchedBytes(),
            u.gpuNs(),
            u.energyUj())) {
      if (isNegative(measured)) {
        return "it used a negative amount of something";
      }
    }
    for (Blob output : r.outputs()) {
      if (output.sizeBytes() < 0) {
        return "its answer has a negative size";
      }
    }
    return null;
  }

  private static @Nullable String times(ExecutionRecord r, Inference i) {
    if (r.submittedUs() < 0
        || r.assignedUs() < 0
        || isNegative(r.startedUs())
        || isNegative(i.firstTokenUs())
        || isNegative(r.endedUs())) {
      return "it has a time before 1970";
    }
    if (isBefore(r.endedUs(), r.startedUs())) {
      return "it ended before it started";
    }
    if (isBefore(i.firstTokenUs(), r.startedUs()) || isBefore(r.endedUs(), i.firstTokenUs())) {
      return "the first part of its answer left before it started or after it ended";
    }
    return null;
  }

  private static @Nullable String money(
      ExecutionRecord r, Inference i, ModelOffer o, boolean signed) {
    long most =
        o.price().charge(i.promptTokens(), i.cachedTokens(), i.completionTokens(), i.rows());
    if (r.charge() < 0 || r.charge() > most) {
      return "its charge of "
          + r.charge()
          + " microcredits is not what the offer allows, which is at most "
          + most;
    }
    if (!signed && r.charge() > 0) {
      return "it costs " + r.charge() + " microcredits and its provider has not signed it";
    }
    if (signed && r.outcome() == Outcome.DONE && !r.reason().isEmpty()) {
      return "it is done and yet has a reason";
    }
    if (i.toAuthor() != o.toAuthor(r.charge()) || i.toPool() != o.toPool(r.charge())) {
      return "its charge is not divided as the offer says";
    }
    return null;
  }

  /// Whether it is what [ExecutionRecord#of] makes, with some upper limit of the charge.
  private static boolean follows(
      ExecutionRecord r, Inference i, Address self, ModelOffer offer, Model model) {
    if (r.outcome() == Outcome.REFUSED) {
      return false;
    }
    ModelOrder order =
        new ModelOrder(
            r.lease(),
            r.taskName(),
            r.consumer(),
            r.offer(),
            i.api(),
            new Blob(r.argsHash(), 0),
            r.submittedUs(),
            r.assignedUs(),
            r.charge());
    Served served =
        new Served(
            r.outcome(),
            r.reason(),
            r.startedUs(),
            i.firstTokenUs(),
            r.endedUs(),
            i.promptTokens(),
            i.cachedTokens(),
            i.completionTokens(),
            i.rows(),
            r.usage(),
            r.outputs().isEmpty() ? Blob.EMPTY : r.outputs().getFirst());
    return r.equals(ExecutionRecord.of(self, order, served, offer, model));
  }

  private static boolean isNegative(OptionalLong value) {
    return value.isPresent() && value.getAsLong() < 0;
  }

  private static boolean isBefore(OptionalLong one, OptionalLong other) {
    return one.isPresent() && other.isPresent() && one.getAsLong() < other.getAsLong();
  }
}
