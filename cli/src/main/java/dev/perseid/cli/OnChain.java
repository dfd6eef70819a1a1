package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.chain.Call;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Deployment;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Receipt;
import dev.perseid.core.Address;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Options of every command that talks to a chain.
final class OnChain {
  private static final List<Long> LOCAL_CHAINS = List.of(1_337L, 31_337L);
  private static final int USUAL_CONFIRMATIONS = 12;
  private static final int MOST_CONFIRMATIONS = 100_000;
  private static final long PATIENCE_MS = 60_000;
  private static final long LOCAL_POLL_MS = 50;
  private static final long POLL_MS = 2_000;

  @Option(
      names = "--rpc",
      paramLabel = "URL",
      description =
          "A node's JSON-RPC address; several must agree. Default: PERSEID_RPC (commas between),"
              + " else http://127.0.0.1:8545.")
  List<String> rpc = new ArrayList<>();

  @Option(
      names = "--deployment",
      paramLabel = "FILE",
      description =
          "Where the contracts are; default: PERSEID_DEPLOYMENT, else ~/.perseid/chain/deployment.json.")
  @Nullable Path deployment;

  @Option(
      names = "--key",
      paramLabel = "NAME",
      description =
          "Which key of ~/.perseid/keys sends and pays the gas; default: ${DEFAULT-VALUE}.",
      defaultValue = "consumer")
  String key = "consumer";

  @Option(
      names = "--max-gwei",
      paramLabel = "N",
      defaultValue = "100",
      description = "Most that a unit of gas may cost; default: ${DEFAULT-VALUE}.")
  BigDecimal maxGwei = BigDecimal.valueOf(100);

  @Option(
      names = "--confirmations",
      paramLabel = "N",
      description =
          "How many blocks deep a transaction must be to count; default: 12, on local chains 1.")
  @Nullable Integer confirmations;

  @Option(
      names = "--wait-s",
      paramLabel = "S",
      defaultValue = "600",
      description = "How long to wait for each transaction; default: ${DEFAULT-VALUE}.")
  int waitS = 600;

  @Option(
      names = "--dry-run",
      description = "Say what would be sent and what it would cost, and send nothing.")
  boolean dryRun;

  /// The chain of the options.
  ///
  /// @param wanted the chain that it must be
  Chain connect(Main main, OptionalLong wanted) throws BadInput, ChainException {
    List<String> named =
        rpc.isEmpty()
            ? Stream.of(main.environment().getOrDefault("PERSEID_RPC", "").split(",", -1))
                .map(String::strip)
                .filter(one -> !one.isEmpty())
                .toList()
            : rpc;
    List<URI> urls = new ArrayList<>();
    for (String one : named.isEmpty() ? List.of("http://127.0.0.1:8545") : named) {
      try {
        urls.add(URI.create(one));
      } catch (IllegalArgumentException e) {
        throw new BadInput(
            "--rpc: this is no address: write http://127.0.0.1:PORT or https://HOST");
      }
    }
    return Chain.connect(urls, wanted);
  }

  /// The file of the deployment.
  Path file(Main main) {
    String variable = main.environment().getOrDefault("PERSEID_DEPLOYMENT", "");
    return deployment != null
        ? deployment
        : variable.isEmpty()
            ? main.home().folder().resolve("chain").resolve("deployment.json")
            : Path.of(variable);
  }

  /// Opens the chain with its contracts, to send from the key of the options.
  Session open(Main main, Shared shared) throws BadInput, ChainException {
    Deployment where = Deployment.read(file(main));
    Chain chain = connect(main, OptionalLong.of(where.chainId()));
    boolean done = false;
    try {
      where.check(chain);
      Session session = session(main, shared, chain);
      done = true;
      return session.at(where);
    } finally {
      if (!done) {
        chain.close();
      }
    }
  }

  /// Opens an outbox on a chain that has no contracts yet.
  Session session(Main main, Shared shared, Chain chain) throws BadInput, ChainException {
    boolean local = LOCAL_CHAINS.contains(chain.id());
    int depth = confirmations == null ? local ? 1 : USUAL_CONFIRMATIONS : confirmations;
    if (depth < 1 || depth > MOST_CONFIRMATIONS) {
      throw new BadInput("--confirmations: write a number from 1 to " + MOST_CONFIRMATIONS);
    }
    BigInteger cap = maxGwei.movePointRight(9).toBigInteger();
    if (cap.signum() <= 0 || cap.bitLength() > 100 || waitS < 1) {
      throw new BadInput("--max-gwei and --wait-s must be above zero, and sane");
    }
    Key sender = main.home().key(key);
    Path folder = main.home().folder().resolve("chain");
    Path journal = folder.resolve(chain.id() + "-" + sender.address() + ".outbox");
    try {
      Files.createDirectories(folder);
      Outbox outbox =
          Outbox.open(
              journal,
              chain,
              sender,
              new Outbox.Rules(cap, depth, PATIENCE_MS),
              InstantSource.system());
      Session session =
          new Session(
              main,
              shared,
              chain,
              sender,
              outbox,
              depth,
              Duration.ofSeconds(waitS),
              local ? LOCAL_POLL_MS : POLL_MS,
              dryRun);
      session.finishOld();
      return session;
    } catch (IOException e) {
      throw new BadInput(String.valueOf(e.getMessage()));
    }
  }

  /// One command on a chain: what it sends, and what came of it.
  static final class Session implements AutoCloseable {
    /// Something that was sent.
    record Sent(String what, Receipt receipt) {}

    private final Main main;
    private final Shared shared;
    private final Chain chain;
    private final Key sender;
    private final Outbox outbox;
    private final int confirmations;
    private final Duration most;
    private final long pollMs;
    private final boolean dryRun;
    private final List<Sent> sent = new ArrayList<>();
    private @Nullable Deployment deployment;

    private Session(
        Main main,
        Shared shared,
        Chain chain,
        Key sender,
        Outbox outbox,
        int confirmations,
        Duration most,
        long pollMs,
        boolean dryRun) {
      this.main = main;
      this.shared = shared;
      this.chain = chain;
      this.sender = sender;
      this.outbox = outbox;
      this.confirmations = confirmations;
      this.most = most;
      this.pollMs = pollMs;
      this.dryRun = dryRun;
    }

    private Session at(Deployment where) {
      deployment = where;
      return this;
    }

    Chain chain() {
      return chain;
    }

    Key key() {
      return sender;
    }

    Outbox outbox() {
      return outbox;
    }

    Duration most() {
      return most;
    }

    long pollMs() {
      return pollMs;
    }

    boolean isDry() {
      return dryRun;
    }

    Deployment deployment() {
      if (deployment == null) {
        throw new IllegalStateException("this command has no deployment");
      }
      return deployment;
    }

    /// What an earlier command left behind comes to its end first.
    private void finishOld() throws ChainException {
      for (Map.Entry<String, String> old : outbox.pending().entrySet()) {
        main.screen().note("an earlier transaction is not final yet: " + old.getValue());
        Outbox.State state = outbox.await(old.getKey(), most, pollMs);
        main.screen().note(old.getValue() + ": " + Outbox.describe(state));
      }
    }

    /// Sends a transaction and waits until it is final.
    void send(Call call, Outbox.Again again) throws ChainException {
      Outbox.Quote quote = outbox.quote(call);
      main.screen()
          .note(
              (dryRun ? "would send: " : "sending: ")
                  + call.what()
                  + call.to().map(to -> " (contract " + to + ")").orElse("")
                  + " from "
                  + sender.address()
                  + " on chain "
                  + chain.id()
                  + "; at most "
                  + Amounts.exact(quote.gas())
                  + " gas, "
                  + ether(quote.mostWei()));
      if (dryRun) {
        return;
      }
      String name = UUID.randomUUID().toString();
      Outbox.State first = outbox.submit(name, call, again);
      if (first instanceof Outbox.State.Waiting waiting) {
        main.screen().note("transaction 0x" + waiting.transaction() + ", nonce " + waiting.nonce());
      }
      switch (outbox.await(name, most, pollMs)) {
        case Outbox.State.Done(Receipt receipt) -> {
          sent.add(new Sent(call.what(), receipt));
          main.screen()
              .note(
                  "done in block "
                      + receipt.block()
                      + " ("
                      + confirmations
                      + (confirmations == 1 ? " confirmation" : " confirmations")
                      + "), "
                      + Amounts.exact(receipt.gasUsed())
                      + " gas"
                      + receipt.costWei().map(wei -> ", " + ether(wei)).orElse(""));
        }
        case Outbox.State other ->
            throw new ChainException(
                ChainException.Kind.REFUSED, call.what() + ": " + Outbox.describe(other));
      }
    }

    /// The receipt of what was sent last; there is none after a dry run.
    List<Sent> sent() {
      return sent;
    }

    /// Takes up what something else sent.
    void add(String what, Receipt receipt) {
      sent.add(new Sent(what, receipt));
    }

    /// The result: a line for people, or an object for programs.
    ///
    /// @param facts names and values; numbers stay numbers
    void tell(String line, Map<String, Object> facts) {
      if (!shared.json) {
        main.screen().say(dryRun ? "nothing was sent" : line);
        return;
      }
      main.screen()
          .json(json -> {
            json.writeStartObject();
            json.writeNumberField("chain_id", chain.id());
            json.writeStringField("account", sender.address().toString());
            json.writeBooleanField("dry_run", dryRun);
            json.writeArrayFieldStart("sent");
            for (Sent one : sent) {
              json.writeStartObject();
              json.writeStringField("what", one.what());
              json.writeStringField("transaction", "0x" + one.receipt().transaction());
              json.writeNumberField("block", one.receipt().block());
              json.writeNumberField("gas", one.receipt().gasUsed());
              if (one.receipt().costWei().isPresent()) {
                json.writeStringField("cost_wei", one.receipt().costWei().get().toString());
              }
              json.writeEndObject();
            }
            json.writeEndArray();
            if (!dryRun) {
              write(json, facts);
            }
            json.writeEndObject();
          });
    }

    @Override
    public void close() {
      try {
        outbox.close();
      } catch (IOException e) {
        main.screen().note("the outbox could not be closed: " + e.getMessage());
      }
      chain.close();
    }
  }

  /// Names and values; a list is one of texts.
  static void write(JsonGenerator json, Map<String, Object> facts) throws IOException {
    for (Map.Entry<String, Object> fact : facts.entrySet()) {
      json.writeFieldName(fact.getKey());
      if (fact.getValue() instanceof List<?> list) {
        json.writeStartArray();
        for (Object one : list) {
          json.writeString(String.valueOf(one));
        }
        json.writeEndArray();
      } else {
        json.writeObject(fact.getValue());
      }
    }
  }

  /// Wei in the chain's own money, exactly.
  static String ether(BigInteger wei) {
    BigDecimal value = new BigDecimal(wei, 18).stripTrailingZeros();
    return (value.scale() < 0 ? value.setScale(0) : value).toPlainString() + " ETH";
  }

  /// An address that somebody wrote.
  static Address address(String text, String what) throws BadInput {
    try {
      return Address.parse(text);
    } catch (IllegalArgumentException e) {
      throw new BadInput(what + ": " + e.getMessage());
    }
  }

  /// Units of the token as a person writes them, above zero.
  static long amount(String text) throws BadInput {
    long units = Amounts.microcredits(text, "AMOUNT");
    if (units == 0) {
      throw new BadInput("AMOUNT: write more than zero");
    }
    return units;
  }

  /// Units of the token for people: as credits are written, without the word.
  static String money(long units) {
    return Amounts.credits(units).replace(" credits", "");
  }
}
