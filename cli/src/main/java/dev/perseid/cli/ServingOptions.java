package dev.perseid.cli;

import dev.perseid.core.DataPolicy;
import dev.perseid.core.TokenPrice;
import dev.perseid.node.ServedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// What a provider's options say about the models that it serves.
final class ServingOptions {
  private ServingOptions() {}

  static List<ServedModel> models(Serving.ProviderOptions o) throws BadInput {
    TokenPrice price = price(o);
    DataPolicy policy = policy(o.policy);
    List<ServedModel> models = new ArrayList<>();
    for (String text : o.serve) {
      try {
        ServedModel plain = ServedModel.parse(text);
        ServedModel.Source source = plain.source();
        if (source instanceof ServedModel.Source.Server server) {
          source =
              new ServedModel.Source.Server(
                  server.url(),
                  server.upstream(),
                  Optional.ofNullable(o.serverKey),
                  o.directCalls,
                  honours(o.serverHonours));
        }
        models.add(
            new ServedModel(
                plain.model(),
                source,
                price,
                number(o.parallel),
                number(o.contextTokens),
                number(o.threads),
                policy,
                Optional.empty(),
                !o.notSealed));
      } catch (IllegalArgumentException e) {
        throw new BadInput("--serve " + text + ": " + e.getMessage());
      }
    }
    return models;
  }

  private static Optional<NavigableSet<String>> honours(List<String> names) {
    return names.isEmpty() ? Optional.empty() : Optional.of(new TreeSet<>(names));
  }

  private static OptionalInt number(@Nullable Integer value) {
    return value == null ? OptionalInt.empty() : OptionalInt.of(value);
  }

  private static TokenPrice price(Serving.ProviderOptions o) throws BadInput {
    TokenPrice usual = ServedModel.USUAL_PRICE;
    long prompt = amount(o.perMillionPrompt, usual.perMillionPrompt(), "--price-prompt");
    return new TokenPrice(
        prompt,
        amount(o.perMillionCached, prompt / 10, "--price-cached"),
        amount(o.perMillionCompletion, usual.perMillionCompletion(), "--price-completion"),
        amount(o.perMillionRows, usual.perMillionRows(), "--price-rows"),
        amount(o.perMillionRequests, usual.perMillionRequests(), "--price-requests"));
  }

  private static long amount(@Nullable String text, long usual, String what) throws BadInput {
    return text == null ? usual : Amounts.microcredits(text, what);
  }

  private static DataPolicy policy(String word) throws BadInput {
    return switch (word) {
      case "keeps-nothing" -> DataPolicy.KEEPS_NOTHING;
      case "keeps" -> DataPolicy.KEEPS;
      case "collects" -> DataPolicy.COLLECTS;
      default ->
          throw new BadInput(
              "--policy: there is no '" + word + "'; write keeps-nothing, keeps or collects");
    };
  }
}
