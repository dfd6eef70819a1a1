package dev.perseid.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.core.TokenPrice;
import dev.perseid.gateway.Market;
import dev.perseid.inference.Api;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.RemoteMarket;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid ask`: one question to a language model, answered on the terminal.
@Command(name = "ask", description = "Ask a language model one question and watch it answer.")
final class AskCommand implements Callable<Integer> {
  private static final ObjectMapper JSON = new ObjectMapper();

  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Option(
      names = "--window",
      paramLabel = "CREDITS",
      defaultValue = Paying.REQUESTS_WINDOW,
      description =
          "Where the pool asks for vouchers: how much you may owe beyond what receipts prove;"
              + " ${DEFAULT-VALUE}, or what the request may cost.")
  private String window = Paying.REQUESTS_WINDOW;

  @Parameters(index = "0", paramLabel = "MODEL", description = "See: perseid model list.")
  private String name = "";

  @Parameters(index = "1..*", arity = "1..*", paramLabel = "PROMPT", description = "What to ask.")
  private List<String> prompt = List.of();

  @Option(
      names = "--max-tokens",
      defaultValue = "256",
      description = "The longest answer; ${DEFAULT-VALUE}.")
  private int maxTokens = 256;

  @Option(names = "--system", description = "What the model is told first.")
  private @Nullable String system;

  @Option(names = "--seed", description = "The same seed gives the same answer.")
  private @Nullable Long seed;

  @Option(names = "--temperature", description = "0 takes the likeliest word each time.")
  private @Nullable Double temperature;

  @Option(
      names = "--sealed",
      description = "Encrypt question and answer, so that only the provider can read them.")
  private boolean sealed;

  /// What comes in.
  private sealed interface Heard {
    record Part(JsonNode json) implements Heard {}

    record Done(Market.Bill bill) implements Heard {}

    record Failed(Failure failure) implements Heard {}
  }

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException, InterruptedException {
    if (maxTokens < 1) {
      throw new BadInput("--max-tokens: write 1 or more");
    }
    Screen screen = main.screen();
    try (PoolClient client = at.connect(main);
        RemoteMarket market =
            RemoteMarket.open(
                client,
                KeyCommand.fresh(),
                sealed,
                Agreed.wallet(main.home(), client, screen::note),
                Amounts.microcredits(window, "--window"),
                screen::note)) {
      List<Market.Listing> candidates = candidates(market.catalog());
      Failure last = null;
      for (Market.Listing listing : candidates) {
        Outcome outcome = ask(market, listing);
        if (outcome.failure == null) {
          return Exit.OK;
        }
        last = outcome.failure;
        if (outcome.begun || !another(last)) {
          break;
        }
      }
      throw new PoolFailure(
          PoolFailure.Kind.REFUSED,
          "FAILED",
          last == null ? "nobody answered" : "no answer: " + last.message());
    }
  }

  private static boolean another(Failure failure) {
    return switch (failure.kind()) {
      case BUSY, BROKEN, TIMEOUT, TOO_LONG -> true;
      case INVALID, REFUSED, CANCELLED, UNPAID -> false;
    };
  }

  /// Who may answer, the cheapest first.
  private List<Market.Listing> candidates(Market.Catalog catalog) throws BadInput {
    Model model = null;
    List<String> names = new ArrayList<>();
    for (Model m : catalog.models()) {
      if (m.name().equals(name) || m.fullName().equals(name)) {
        model = m;
      }
      if (m.task() == ModelTask.CHAT) {
        names.add(m.name());
      }
    }
    if (model == null) {
      throw new BadInput(
          "there is no model '"
              + name
              + "' in this pool"
              + (names.isEmpty()
                  ? "; see: perseid model list"
                  : "; " + Nearest.advice(name, names)));
    }
    if (model.task() != ModelTask.CHAT) {
      throw new BadInput(
          model.fullName() + " is no language model; call it through the gateway (docs/models.md)");
    }
    List<Market.Listing> ready = new ArrayList<>();
    for (Market.Listing l : catalog.listings().getOrDefault(model.manifest(), List.of())) {
      if (l.live().reachable()) {
        ready.add(l);
      }
    }
    if (ready.isEmpty()) {
      throw new BadInput(
          "nobody serves "
              + model.fullName()
              + (sealed ? " for sealed requests" : "")
              + " at the moment; see: perseid model show "
              + name);
    }
    ready.sort(Comparator.comparingLong(l -> price(l.offer().price())));
    return ready;
  }

  private static long price(TokenPrice p) {
    return p.perMillionCompletion() + p.perMillionPrompt() + p.perMillionRequests();
  }

  private record Outcome(@Nullable Failure failure, boolean begun) {}

  private Outcome ask(RemoteMarket market, Market.Listing listing)
      throws IOException, InterruptedException {
    LinkedBlockingQueue<Heard> heard = new LinkedBlockingQueue<>();
    String id = "ask-" + UUID.randomUUID();
    Market.Placed placed =
        market.ask(
            market.local(),
            listing,
            new Request(id, Api.CHAT, listing.model().manifest(), body(listing.model()), true),
            maxTokens,
            new Listener(heard));
    if (placed instanceof Market.Placed.Full(String message, long _)) {
      return new Outcome(new Failure(Failure.Kind.BUSY, message), false);
    }
    Screen screen = main.screen();
    StringBuilder text = new StringBuilder();
    while (true) {
      switch (heard.take()) {
        case Heard.Part(JsonNode json) -> {
          String piece = json.path("choices").path(0).path("delta").path("content").asText("");
          text.append(piece);
          if (!shared.json) {
            screen.write(piece);
          }
        }
        case Heard.Failed(Failure failure) -> {
          if (!text.isEmpty() && !shared.json) {
            screen.write("\n");
          }
          return new Outcome(failure, !text.isEmpty());
        }
        case Heard.Done(Market.Bill bill) -> {
          end(screen, listing, id, text.toString(), bill);
          return new Outcome(null, true);
        }
      }
    }
  }

  private void end(
      Screen screen, Market.Listing listing, String id, String text, Market.Bill bill) {
    if (shared.json) {
      screen.json(json -> {
        json.writeStartObject();
        json.writeStringField("request", id);
        json.writeStringField("model", listing.model().fullName());
        json.writeStringField("provider", listing.offer().provider().toString());
        json.writeStringField("text", text);
        json.writeNumberField("prompt_tokens", bill.promptTokens());
        json.writeNumberField("completion_tokens", bill.completionTokens());
        json.writeNumberField("charge_microcredits", bill.charge());
        json.writeEndObject();
      });
      return;
    }
    screen.write("\n");
    screen.note(
        "("
            + listing.model().fullName()
            + ", "
            + bill.promptTokens()
            + " + "
            + bill.completionTokens()
            + " tokens, "
            + Amounts.credits(bill.charge())
            + "; request "
            + id
            + ")");
  }

  private byte[] body(Model model) throws IOException {
    ObjectNode body = JSON.createObjectNode();
    body.put("model", model.name());
    var messages = body.putArray("messages");
    if (system != null) {
      messages.addObject().put("role", "system").put("content", system);
    }
    messages.addObject().put("role", "user").put("content", String.join(" ", prompt));
    body.put("max_tokens", maxTokens);
    if (seed != null) {
      body.put("seed", seed);
    }
    if (temperature != null) {
      body.put("temperature", temperature);
    }
    body.put("stream", true);
    return JSON.writeValueAsBytes(body);
  }

  private record Listener(LinkedBlockingQueue<Heard> heard) implements Market.Receiver {
    @Override
    public void part(byte[] json) {
      try {
        heard.add(new Heard.Part(JSON.readTree(json)));
      } catch (IOException e) {
        heard.add(
            new Heard.Failed(
                new Failure(Failure.Kind.BROKEN, "the provider answers with what is no JSON")));
      }
    }

    @Override
    public void done(Market.Bill bill) {
      heard.add(new Heard.Done(bill));
    }

    @Override
    public void failed(Failure failure, Market.Bill bill) {
      heard.add(new Heard.Failed(failure));
    }
  }
}
