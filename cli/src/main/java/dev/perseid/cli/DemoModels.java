package dev.perseid.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.Inference;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.Receipt;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;

/// The demo's second act: two models are published and served by two further providers at different
/// prices, called as any program would, by OpenAI's own client where it runs, and paid.
final class DemoModels {
  /// The pool's share of each charge, in thousandths.
  static final int FEE_PERMILLE = 20;

  /// More than the requests of the demo can cost.
  private static final long PROMISED = 200_000;

  private static final String CHAT = "perseid/tiny-chat";
  private static final String CHEAP = "2";
  private static final String DEAR = "5";
  private static final String RISK = "perseid/loan-risk";
  private static final ObjectMapper JSON = new ObjectMapper();

  /// Starts a provider process.
  interface Starter {
    /// @param name its display name
    /// @param options further options of `perseid provider`
    Process start(String name, List<String> options) throws IOException;
  }

  /// Says a line, or a piece of one.
  interface Voice {
    void line(String line);

    void piece(String text);
  }

  /// Pays ahead for requests that come with an API key, where the pool asks for vouchers.
  interface Promise {
    /// @param microcredits beyond what is spent
    void pay(long microcredits) throws PoolFailure;
  }

  /// Finds what models are asked with.
  interface Clients {
    DemoClient find() throws InterruptedException;
  }

  /// What came of it.
  ///
  /// @param client what the language model was asked with
  record Result(boolean good, int requests, String client) {}

  private final PoolClient.Target target;
  private final String gateway;
  private final Path models;
  private final Clients clients;
  private final Starter starter;
  private final Voice voice;
  private final Promise promise;
  private final Screen screen;
  private final HttpClient http = HttpClient.newHttpClient();
  private int requests;

  /// @param gateway its URL
  /// @param models the folder `examples/models`
  DemoModels(
      PoolClient.Target target,
      String gateway,
      Path models,
      Clients clients,
      Starter starter,
      Voice voice,
      Promise promise,
      Screen screen) {
    this.target = target;
    this.gateway = gateway;
    this.models = models;
    this.clients = clients;
    this.starter = starter;
    this.voice = voice;
    this.promise = promise;
    this.screen = screen;
  }

  /// Runs it.
  ///
  /// @param client the consumer's
  /// @param operator the pool's own key
  Result run(PoolClient client, PoolClient operator)
      throws BadInput, PoolFailure, IOException, InterruptedException {
    voice.line("");
    voice.line("== models");
    Key authorKey = Key.generate();
    try (PoolClient author = PoolClient.connect(target, authorKey, PoolClient.Role.CONSUMER)) {
      publish(author, models.resolve("tiny-chat").resolve("q8_0"));
      publish(author, models.resolve("loan-risk"));
      Process cheap = starter.start("attic", List.of("--serve", CHAT, "--price-completion", CHEAP));
      starter.start(
          "office", List.of("--serve", CHAT, "--serve", RISK, "--price-completion", DEAR));
      awaitOffers(client);
      Map<String, String> names = names(client);
      voice.line(
          "'attic' serves "
              + CHAT
              + " for "
              + CHEAP
              + " credits a million tokens, 'office' for "
              + DEAR
              + " (1.2 million parameters, trained by this project in some minutes: it knows a few"
              + " facts, small sums and short stories)");
      DemoClient asking = clients.find();
      String key = KeyCommand.fresh();
      client.makeKey("demo", KeyCommand.hash(key));
      long before = funds(client);
      promise.pay(PROMISED);
      boolean answered = ask(asking, key, names, "What is the capital of Norway?", 0, true);
      answered &= ask(asking, key, names, "What is 7 + 5?", 0, false);
      answered &= ask(asking, key, names, "Tell me a story.", 0.7, true);
      answered &= judge(key, names);
      cheap.destroyForcibly().waitFor();
      voice.line("now 'attic', the cheaper one, is killed:");
      answered &= ask(asking, key, names, "What does the cow say?", 0, true);
      boolean balanced = bill(client, operator, author, before);
      return new Result(answered && balanced, requests, asking.name());
    }
  }

  private void publish(PoolClient author, Path folder) throws BadInput, PoolFailure {
    ModelFolder model = ModelFolder.read(folder);
    ModelPublishCommand.publish(author, model, screen);
    voice.line(
        "published "
            + model.manifest().description().name()
            + ":"
            + model.manifest().description().version()
            + ", sha256 "
            + model.manifest().hash().hex().substring(0, 16)
            + "..., royalty "
            + model.manifest().description().royaltyPermille() / 10.0
            + " %");
  }

  private static void awaitOffers(PoolClient client)
      throws PoolFailure, IOException, InterruptedException {
    long begun = System.nanoTime();
    while (true) {
      int ready = 0;
      for (Proto.ListedModel model : client.catalog().getModelsList()) {
        for (Proto.ListedOffer offer : model.getOffersList()) {
          ready += offer.getReachable() ? 1 : 0;
        }
      }
      if (ready >= 3) {
        return;
      }
      if (System.nanoTime() - begun > DemoLimits.READY_NS) {
        throw new IOException(
            "the models were not ready within "
                + Amounts.duration(DemoLimits.READY_NS)
                + ": "
                + ready
                + " of 3");
      }
      TimeUnit.MILLISECONDS.sleep(100);
    }
  }

  private static Map<String, String> names(PoolClient client) throws PoolFailure {
    Map<String, String> names = new LinkedHashMap<>();
    for (Proto.ProviderView view : client.providers()) {
      var offer = ProvidersCommand.offer(view);
      names.put(offer.provider().toString(), offer.name());
    }
    return names;
  }

  /// Puts one answer on the screen, as it comes if it is streamed.
  private boolean ask(
      DemoClient asking,
      String key,
      Map<String, String> names,
      String question,
      double temperature,
      boolean stream)
      throws IOException, InterruptedException {
    ObjectNode body = JSON.createObjectNode();
    body.put("model", CHAT);
    body.putArray("messages").addObject().put("role", "user").put("content", question);
    body.put("temperature", temperature);
    body.put("seed", 7);
    body.put("max_tokens", 100);
    if (stream) {
      body.put("stream", true);
      body.putObject("stream_options").put("include_usage", true);
    }
    // The cheapest first; OpenRouter's word for it.
    body.putObject("provider").put("sort", "price");
    requests++;
    voice.piece("  " + question + "  ");
    DemoClient.Heard heard = asking.ask(gateway, key, JSON.writeValueAsBytes(body), voice::piece);
    voice.line("");
    if (heard.wrong().isPresent()) {
      voice.line("    FAILED: " + heard.wrong().get());
      return false;
    }
    voice.line(
        "    by "
            + heard.provider().map(names::get).orElse("?")
            + (stream ? ", streamed, first word after " : ", whole after ")
            + shown(stream ? heard.firstNs() : heard.totalNs())
            + ", "
            + (heard.tokens().isPresent() ? heard.tokens().getAsLong() : "?")
            + " tokens in "
            + shown(heard.totalNs())
            + ", "
            + heard.cost().orElse("?")
            + " credits");
    return true;
  }

  private static String shown(OptionalLong ns) {
    return ns.isPresent() ? Amounts.duration(ns.getAsLong()) : "?";
  }

  /// One loan, by the Open Inference Protocol over HTTP.
  private boolean judge(String key, Map<String, String> names)
      throws IOException, InterruptedException {
    ObjectNode body = JSON.createObjectNode();
    ObjectNode input = body.putArray("inputs").addObject();
    input.put("name", "features").put("datatype", "FP32");
    input.putArray("shape").add(1).add(8);
    var data = input.putArray("data");
    for (int i = 0; i < 8; i++) {
      data.add(1);
    }
    requests++;
    HttpResponse<String> response =
        http.send(
            HttpRequest.newBuilder(URI.create(gateway + "/v2/models/" + RISK + "/infer"))
                .header("authorization", "Bearer " + key)
                .header("content-type", "application/json")
                .timeout(Duration.ofSeconds(DemoLimits.ANSWER_S))
                .POST(HttpRequest.BodyPublishers.ofByteArray(JSON.writeValueAsBytes(body)))
                .build(),
            HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
    JsonNode answer = JSON.readTree(response.body());
    JsonNode label = answer.path("outputs").path(0).path("data").path(0);
    voice.line(
        "  "
            + RISK
            + " judges a loan: "
            + (label.asInt() == 0 ? "repaid" : "goes bad")
            + " (Open Inference Protocol), by "
            + names.getOrDefault(
                response.headers().firstValue("x-perseid-provider").orElse(""), "?"));
    return response.statusCode() == 200 && label.isInt();
  }

  private static long answered(List<Entry> entries) {
    return entries.stream().filter(e -> e.record().outcome() == Outcome.DONE).count();
  }

  /// Where earnings can be spent at once they are in the balance, else they are due.
  private static long earned(PoolClient.Account account) {
    return account.balance() + account.due();
  }

  private static long funds(PoolClient client) throws PoolFailure {
    PoolClient.Account account = client.account(Optional.empty());
    return account.balance() + account.reserved();
  }

  /// Waits for the records, verifies the receipts, and compares what was paid with what was earned.
  private boolean bill(PoolClient client, PoolClient operator, PoolClient author, long before)
      throws PoolFailure, InterruptedException {
    JobId tab = JobId.tab(client.self());
    List<Entry> entries = new ArrayList<>();
    long deadline = System.nanoTime() + DemoLimits.RECORDED_NS;
    // A request that a killed provider could not answer leaves a record of its own.
    while (answered(entries) < requests && System.nanoTime() < deadline) {
      entries.clear();
      try {
        client.records(Optional.of(tab), 0, 0, logged -> entries.add(logged.entry()));
      } catch (PoolFailure e) {
        if (e.kind() != PoolFailure.Kind.REFUSED) {
          throw e; // refused while there are none yet
        }
      }
      TimeUnit.MILLISECONDS.sleep(50);
    }
    long charged = 0;
    long toAuthor = 0;
    long toPool = 0;
    long tokens = 0;
    Map<Address, Long> toProviders = new LinkedHashMap<>();
    for (Entry e : entries) {
      Inference i = e.record().inference().orElseThrow();
      charged += e.record().charge();
      toAuthor += i.toAuthor();
      toPool += i.toPool();
      tokens += i.promptTokens() + i.completionTokens();
      toProviders.merge(
          e.record().provider(), e.record().charge() - i.toAuthor() - i.toPool(), Long::sum);
    }
    Map<String, String> names = names(client);
    Table table = new Table("", ">credits");
    long earned = 0;
    for (Map.Entry<Address, Long> p : toProviders.entrySet()) {
      table.row(
          names.getOrDefault(p.getKey().toString(), "?") + " earned",
          Amounts.credits(p.getValue()));
      earned += earned(operator.account(Optional.of(p.getKey())));
    }
    table.row("the author earned", Amounts.credits(toAuthor));
    table.row("the pool earned", Amounts.credits(toPool));
    long paid = before - funds(client);
    table.row("the consumer paid", Amounts.credits(paid));
    table.lines().forEach(voice::line);
    earned += earned(author.account(Optional.empty()));
    earned += earned(operator.account(Optional.of(operator.self())));
    boolean balanced = paid == charged && paid == earned;
    voice.line(
        balanced
            ? "paid = earned, to the microcredit, for " + tokens + " tokens and 1 row"
            : "the bill does NOT balance: paid "
                + paid
                + ", charged "
                + charged
                + ", earned "
                + earned);
    List<String> receipts = new ArrayList<>();
    client.receipts(tab, receipts::add);
    int verified = 0;
    for (String receipt : receipts) {
      switch (Receipt.verify(receipt, target.address())) {
        case Receipt.Check.Verified _ -> verified++;
        case Receipt.Check.Wrong bad -> voice.line("a receipt is WRONG: " + bad.reason());
      }
    }
    voice.line(verified + " receipts of requests verified");
    return balanced && verified == receipts.size() && verified >= requests;
  }
}
