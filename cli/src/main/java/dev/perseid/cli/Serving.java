package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.Gpus;
import dev.perseid.core.Price;
import dev.perseid.node.AccessTerms;
import dev.perseid.node.AuditTerms;
import dev.perseid.node.Electricity;
import dev.perseid.node.MarketTerms;
import dev.perseid.node.Measuring;
import dev.perseid.node.MoneyLimits;
import dev.perseid.node.MoneyTerms;
import dev.perseid.node.PaymentTerms;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolConfig;
import dev.perseid.node.PoolNode;
import dev.perseid.node.ProviderConfig;
import dev.perseid.node.ProviderNode;
import dev.perseid.sandbox.Isolation;
import dev.perseid.settle.Key;
import dev.perseid.settle.Tls;
import dev.perseid.wire.Channels;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// What runs until somebody stops it: a pool, a provider, or both. Stopping happens in the reverse
/// order of starting, on Ctrl-C and on SIGTERM, and drains.
final class Serving {
  /// The port of a pool unless somebody says otherwise.
  static final int USUAL_PORT = 7464;

  /// The port of a gateway unless somebody says otherwise.
  static final int USUAL_GATEWAY_PORT = 7465;

  private static final long FAILURE_CHECK_MS = 250;

  /// The logger of everything, and one that speaks whenever the machine is busy; held, because
  /// loggers that nobody holds forget their level.
  private static final Logger ROOT = Logger.getLogger("");

  private static final Logger PAUSES = Logger.getLogger("org.apache.ratis.util.JvmPauseMonitor");

  private final Screen screen;
  private final boolean asJson;
  private final Deque<Runnable> stops = new ArrayDeque<>();
  private final CountDownLatch stopped = new CountDownLatch(1);
  private boolean over;

  /// @param asJson whether to print JSON where something has started
  Serving(Screen screen, boolean asJson) {
    this.screen = screen;
    this.asJson = asJson;
    // Libraries speak when something is wrong, not about their every step.
    ROOT.setLevel(Level.WARNING);
    PAUSES.setLevel(Level.OFF);
  }

  /// Options of a pool.
  static final class PoolOptions {
    @Option(
        names = "--host",
        defaultValue = "127.0.0.1",
        description = "Where to listen; ${DEFAULT-VALUE}. Anything but loopback gets TLS.")
    String host = "127.0.0.1";

    @Option(
        names = "--port",
        defaultValue = "" + USUAL_PORT,
        description = "The port, 0 for a free one; ${DEFAULT-VALUE}.")
    int port = USUAL_PORT;

    @Option(
        names = "--dir",
        paramLabel = "FOLDER",
        description = "Log, records and blobs; default: ~/.perseid/pool.")
    @Nullable Path dir;

    @Option(
        names = "--operator",
        paramLabel = "ADDRESS",
        split = ",",
        description = "Who may run the pool beside its own key. Can be given several times.")
    List<String> operators = List.of();

    @Option(
        names = "--auditor",
        paramLabel = "ADDRESS",
        split = ",",
        description =
            "Who may see the records, receipts and accounts of everybody. Can be given several"
                + " times.")
    List<String> auditors = List.of();

    @Option(
        names = "--sign-in-at",
        paramLabel = "DOMAIN",
        split = ",",
        description =
            "Where people sign in with their wallets, e.g. pool.example.org, beside the pool's own"
                + " address. Can be given several times.")
    List<String> domains = List.of();

    @Option(
        names = "--measure",
        paramLabel = "on|off",
        description =
            "Whether providers must show the cores, the memory and the GPUs that they declare, when"
                + " they come and at random times after; default: on, unless only this machine can reach the"
                + " pool.")
    @Nullable String measure;

    @Option(
        names = "--gpu-steps",
        paramLabel = "N",
        description =
            "What providers show as a GPU must do N steps of the measurement a second, and more than"
                + " all of their cores; default: ${DEFAULT-VALUE}. 0: also a processor counts, to try"
                + " things out.")
    long gpuSteps = Measuring.USUAL_GPU_STEPS_PER_S;

    /// Whether providers are measured, and what counts as a GPU.
    Measuring measures() throws BadInput {
      if (gpuSteps < 0) {
        throw new BadInput("--gpu-steps: " + gpuSteps + "; write 0 or more");
      }
      boolean on =
          switch (measure) {
            case null -> !Channels.isLoopback(host);
            case "on" -> true;
            case "off" -> false;
            default -> throw new BadInput("--measure: '" + measure + "'; write on or off");
          };
      return new Measuring(on, gpuSteps);
    }

    AccessTerms access() throws BadInput {
      return new AccessTerms(
          addresses(operators, "--operator"), addresses(auditors, "--auditor"), domains);
    }

    private static Set<Address> addresses(List<String> texts, String option) throws BadInput {
      Set<Address> all = new HashSet<>();
      for (String text : texts) {
        try {
          all.add(Address.parse(text.toLowerCase(Locale.ROOT)));
        } catch (IllegalArgumentException e) {
          throw new BadInput(option + ": '" + text + "' is no address; write 0x and 40 digits");
        }
      }
      return all;
    }

    @Option(
        names = "--welcome",
        paramLabel = "CREDITS",
        description = "Given once to each new consumer.")
    @Nullable String welcome;

    @Option(
        names = "--tls-cert",
        paramLabel = "PEM",
        description = "Your own certificate chain; default: one bound to the pool's key.")
    @Nullable Path certificate;

    @Option(names = "--tls-key", paramLabel = "PEM", description = "The certificate's private key.")
    @Nullable Path certificateKey;

    @Option(
        names = "--gateway-port",
        paramLabel = "PORT",
        defaultValue = "" + USUAL_GATEWAY_PORT,
        description =
            "Where the APIs for models are (OpenAI, Anthropic, Ollama, KServe), 0 for a free port,"
                + " off for none; ${DEFAULT-VALUE}.")
    String gatewayPort = "" + USUAL_GATEWAY_PORT;

    @Option(
        names = "--fee-permille",
        paramLabel = "N",
        defaultValue = "0",
        description =
            "The pool's share of each charge for inference, in thousandths; ${DEFAULT-VALUE}.")
    int feePermille;

    @Option(
        names = "--direct",
        paramLabel = "HOST:PORT",
        description =
            "A provider's own server that this pool may call itself; can be given several times.")
    List<String> direct = List.of();

    @Option(
        names = "--audit",
        paramLabel = "RATES[@MODEL]",
        description =
            "How much is audited, in thousandths of the requests, of all models or of one, e.g."
                + " newcomer=200,known=10,repeat=2,canary=2 (the default) or"
                + " known=50@me/chat:1; can be given several times. Repeated requests and canaries"
                + " are paid out of the pool's own account.")
    List<String> audit = List.of();

    @Option(
        names = "--rpc",
        paramLabel = "URL",
        description =
            "A node of the chain on which the pool's money is, or to which it will move; can be"
                + " given several times, then they must agree.")
    List<URI> rpc = List.of();

    @Option(
        names = "--deployment",
        paramLabel = "FILE",
        description = "Where the contracts are on that chain (perseid chain deploy writes it).")
    @Nullable Path deployment;

    @Option(
        names = "--identity",
        paramLabel = "ADDRESS",
        description = "The pool's registered identity; default: its own key.")
    @Nullable String identity;

    @Option(
        names = "--max-gwei",
        defaultValue = "" + MoneyLimits.MOST_GWEI,
        description = "The most that a unit of gas may cost; ${DEFAULT-VALUE}.")
    BigDecimal maxGwei = BigDecimal.valueOf(MoneyLimits.MOST_GWEI);

    @Option(
        names = "--confirmations",
        defaultValue = "" + MoneyLimits.CONFIRMATIONS,
        description = "How deep a block must be to count; ${DEFAULT-VALUE}.")
    int confirmations = MoneyLimits.CONFIRMATIONS;

    @Option(
        names = "--epoch",
        paramLabel = "DURATION",
        defaultValue = "P1D",
        description =
            "How often the pool settles by itself, as ISO 8601 writes it: P1D is a day, PT1H an"
                + " hour; ${DEFAULT-VALUE}.")
    Duration epoch = Duration.ofDays(1);

    @Option(
        names = "--least-gain",
        paramLabel = "CREDITS",
        defaultValue = "0.01",
        description =
            "A voucher that brings less waits for a later settlement; ${DEFAULT-VALUE}. On credits"
                + " all count.")
    String leastGain = "0.01";

    @Option(
        names = "--push-from",
        paramLabel = "CREDITS",
        defaultValue = "1",
        description =
            "Who is due less claims it (perseid chain claim) instead of being sent it;"
                + " ${DEFAULT-VALUE}.")
    String pushFrom = "1";

    @Option(
        names = "--payment-fee",
        paramLabel = "CREDITS",
        defaultValue = "0.001",
        description =
            "What a request that is paid for on the chain by itself (x402) costs beside its price:"
                + " as much as the transaction costs the pool, or off for no payments of single"
                + " requests; ${DEFAULT-VALUE}.")
    String paymentFee = "0.001";

    private PaymentTerms payments() throws BadInput {
      return paymentFee.equals("off")
          ? new PaymentTerms(false, 0)
          : new PaymentTerms(true, Amounts.microcredits(paymentFee, "--payment-fee"));
    }

    MoneyTerms money() throws BadInput {
      try {
        if (rpc.isEmpty() != (deployment == null)) {
          throw new BadInput("--rpc and --deployment belong together; write both or none");
        }
        if (deployment == null) {
          return new MoneyTerms(Optional.empty(), epoch.toMillis(), 1, 1);
        }
        MoneyTerms.ChainAt at =
            new MoneyTerms.ChainAt(
                rpc,
                deployment,
                identity == null ? Optional.empty() : Optional.of(Address.parse(identity)),
                maxGwei.movePointRight(9).toBigInteger(),
                confirmations);
        return new MoneyTerms(
            Optional.of(at),
            epoch.toMillis(),
            Amounts.microcredits(leastGain, "--least-gain"),
            Amounts.microcredits(pushFrom, "--push-from"));
      } catch (IllegalArgumentException e) {
        throw new BadInput(String.valueOf(e.getMessage()));
      }
    }

    private AuditTerms audits() throws BadInput {
      AuditTerms audits = AuditTerms.USUAL;
      // Those of all models first: those of one begin with them.
      for (boolean ofOne : new boolean[] {false, true}) {
        for (String rates : audit) {
          if (rates.contains("@") == ofOne) {
            try {
              audits = audits.with(rates);
            } catch (IllegalArgumentException e) {
              throw new BadInput("--audit: " + e.getMessage());
            }
          }
        }
      }
      return audits;
    }

    MarketTerms terms() throws BadInput {
      try {
        MarketTerms terms =
            new MarketTerms(Optional.empty(), feePermille, new LinkedHashSet<>(direct), audits())
                .withPayments(payments());
        if (gatewayPort.equals("off")) {
          return terms;
        }
        int port = gatewayPort.matches("[0-9]{1,5}") ? Integer.parseInt(gatewayPort) : -1;
        if (port < 0 || port > 65_535) {
          throw new BadInput(
              "--gateway-port: '" + gatewayPort + "' is no port; write 0 to 65535, or off");
        }
        return terms.withGateway(host, port);
      } catch (IllegalArgumentException e) {
        throw new BadInput(String.valueOf(e.getMessage()));
      }
    }
  }

  /// Options of a provider.
  static final class ProviderOptions {
    @Option(names = "--name", description = "A display name.")
    @Nullable String name;

    @Option(names = "--region", description = "Where the machine stands.")
    @Nullable String region;

    @Option(names = "--cores", description = "Tasks at once; default: all processors.")
    @Nullable Integer cores;

    @Option(
        names = "--memory-mib",
        description = "Memory of all tasks; default: half of the machine's.")
    @Nullable Long memoryMib;

    @Option(names = "--cache-mib", description = "Disk for the cache; default: 4096.")
    @Nullable Long cacheMib;

    @Option(
        names = "--price-gas",
        paramLabel = "CREDITS",
        description = "For 10^9 gas; default: 0.001.")
    @Nullable String perBillionGas;

    @Option(
        names = "--price-memory",
        paramLabel = "CREDITS",
        description = "For a GB-second; default: 0.000278.")
    @Nullable String perGbSecond;

    @Option(
        names = "--price-data",
        paramLabel = "CREDITS",
        description = "For a GB moved; default: 0.01.")
    @Nullable String perGb;

    @Option(
        names = "--watts-per-core",
        paramLabel = "WATTS",
        description =
            "What a core in use takes here, e.g. 6.5: records then say what energy tasks used, and"
                + " jobs that mind it know. Nobody checks it; default: nothing is said.")
    @Nullable BigDecimal wattsPerCore;

    @Option(
        names = "--watts-per-gpu",
        paramLabel = "WATTS",
        description = "With --watts-per-core: what a GPU takes that a task holds.")
    @Nullable BigDecimal wattsPerGpu;

    @Option(
        names = "--carbon-g-per-kwh",
        paramLabel = "GRAMS",
        description =
            "What a kilowatt hour emits here, grams of CO2, 0 to 5000: for jobs that mind it; default:"
                + " not known, which counts as 1000.")
    @Nullable Integer gPerKwh;

    @Option(
        names = "--without-isolation",
        description = "Run tasks also where bubblewrap does not work.")
    boolean withoutIsolation;

    @Option(
        names = "--native",
        description =
            "Run native programs of consumers, too, each in a container (bubblewrap). Only the kernel"
                + " keeps them in, so this is off unless you ask for it.")
    boolean natives;

    @Option(
        names = "--gpus",
        paramLabel = "N",
        description =
            "Lend the first N GPUs that OpenCL finds to native programs; `perseid gpus` lists them."
                + " Only with --native; default: 0.")
    int gpus;

    @Option(
        names = "--gpu-memory-mib",
        paramLabel = "MIB",
        description = "Memory of each that is lent; default: 7/8 of what the smallest of them has.")
    @Nullable Long gpuMemoryMib;

    @Option(
        names = "--price-gpu",
        paramLabel = "CREDITS",
        description = "For a second of a GPU; default: 0.001111.")
    @Nullable String perGpuSecond;

    @Option(
        names = "--opencl-processors",
        description =
            "With --gpus: processors that OpenCL offers as devices count, too. To try things out"
                + " without a GPU.")
    boolean processorsToo;

    @Option(
        names = "--operated-by",
        paramLabel = "STATEMENT",
        description =
            "Whose this provider is, as `perseid operate PROVIDER` printed it: others"
                + " check it first, rather than those of the same operator.")
    @Nullable String operatedBy;

    @Option(
        names = "--serve",
        paramLabel = "MODEL[=PATH|URL]",
        description =
            "A published model to serve: from the pool's files, from a file or folder here, or from"
                + " an OpenAI-compatible server, e.g. me/big=http://127.0.0.1:8000/v1#name. Can be"
                + " given several times.")
    List<String> serve = List.of();

    @Option(
        names = "--server-key",
        paramLabel = "FILE",
        description = "A file with the key that servers next door ask for.")
    @Nullable Path serverKey;

    @Option(
        names = "--server-honours",
        paramLabel = "NAME",
        split = ",",
        description =
            "Parameters of requests that servers next door honour, e.g. temperature,top_p,tools, for"
                + " requests that insist on them; default: what is known of their kind.")
    List<String> serverHonours = List.of();

    @Option(
        names = "--direct-calls",
        description = "Let the pool call servers next door itself, if its operator allows it.")
    boolean directCalls;

    @Option(
        names = "--price-prompt",
        paramLabel = "CREDITS",
        description = "For 10^6 tokens of a prompt; default: 1.")
    @Nullable String perMillionPrompt;

    @Option(
        names = "--price-cached",
        paramLabel = "CREDITS",
        description = "For 10^6 tokens that were still known; default: a tenth of --price-prompt.")
    @Nullable String perMillionCached;

    @Option(
        names = "--price-completion",
        paramLabel = "CREDITS",
        description = "For 10^6 tokens of an answer; default: 4.")
    @Nullable String perMillionCompletion;

    @Option(
        names = "--price-rows",
        paramLabel = "CREDITS",
        description = "For 10^6 rows of a predictive model or texts of an embedding; default: 1.")
    @Nullable String perMillionRows;

    @Option(
        names = "--price-requests",
        paramLabel = "CREDITS",
        description = "For 10^6 requests, beside the rest; default: 0.")
    @Nullable String perMillionRequests;

    @Option(names = "--parallel", description = "Requests to a model at once.")
    @Nullable Integer parallel;

    @Option(
        names = "--context",
        paramLabel = "TOKENS",
        description = "The longest prompt and answer together; default: the model's own.")
    @Nullable Integer contextTokens;

    @Option(
        names = "--threads",
        description = "Processors for a model that is computed here; default: all that are lent.")
    @Nullable Integer threads;

    @Option(
        names = "--policy",
        defaultValue = "keeps-nothing",
        description =
            "What you do with prompts and answers: keeps-nothing, keeps, or collects;"
                + " ${DEFAULT-VALUE}.")
    String policy = "keeps-nothing";

    @Option(names = "--no-sealed", description = "Do not take encrypted requests.")
    boolean notSealed;

    @Option(
        names = "--drain-s",
        defaultValue = "30",
        description = "Seconds that running tasks get when it stops; ${DEFAULT-VALUE}.")
    int drainS = 30;
  }

  /// Starts a pool.
  ///
  /// @param welcome credits unless the options say otherwise, in microcredits
  PoolNode pool(Home home, PoolOptions options, long welcome) throws BadInput, IOException {
    Key key = home.key("pool");
    Path dir = options.dir == null ? home.folder().resolve("pool") : options.dir;
    PoolConfig config;
    try {
      config =
          PoolConfig.usual(dir, key)
              .at(options.host, options.port)
              .withWelcome(
                  options.welcome == null
                      ? welcome
                      : Amounts.microcredits(options.welcome, "--welcome"))
              .with(options.measures())
              .withAccess(options.access())
              .withTerms(options.terms())
              .withMoney(options.money());
      if (options.certificate != null || options.certificateKey != null) {
        if (options.certificate == null || options.certificateKey == null) {
          throw new BadInput("--tls-cert and --tls-key belong together; write both or none");
        }
        config = config.withTls(Tls.fromPem(options.certificate, options.certificateKey));
      }
    } catch (IllegalArgumentException e) {
      throw new BadInput(String.valueOf(e.getMessage()));
    }
    PoolNode pool = PoolNode.start(config);
    PoolClient.Target target =
        new PoolClient.Target(options.host, pool.port(), Optional.of(key.address()));
    Path announced = home.runningPool();
    onStop(() -> {
      remove(announced);
      close(pool, screen);
      screen.note("the pool has stopped; its log is in " + dir);
    });
    announce(announced, target);
    if (asJson) {
      screen.json(json -> {
        json.writeStartObject();
        json.writeStringField("pool", target.toString());
        json.writeStringField("directory", dir.toString());
        if (pool.gateway().isPresent()) {
          json.writeStringField("gateway", pool.gateway().get().url());
        }
        json.writeEndObject();
      });
    } else {
      screen.say("pool " + target);
      pool.gateway()
          .ifPresent(g -> screen.say("gateway " + g.url() + " (for programs: perseid key make)"));
    }
    return pool;
  }

  /// Starts a provider.
  ProviderNode provider(
      Home home, PoolClient.Target pool, Path dir, ProviderOptions options, boolean isolation)
      throws BadInput, IOException, InterruptedException {
    Key key = home.key(home.keyFolder("provider"));
    Address address =
        pool.address()
            .orElseThrow(() ->
                new BadInput(
                    "the pool's address is missing: write "
                        + pool
                        + "@0x..., as `perseid pool` printed it"));
    ProviderConfig config;
    try {
      config =
          ProviderConfig.of(key, ProviderConfig.PoolAt.of(pool.host(), pool.port(), address), dir);
      config =
          config
              .with(terms(options, config.terms()))
              .with(lent(options, config.lent()))
              .with(electricity(options))
              .withModels(ServingOptions.models(options));
    } catch (IllegalArgumentException e) {
      throw new BadInput(String.valueOf(e.getMessage()));
    }
    if (!isolation || options.withoutIsolation) {
      config = config.isolationPreferred();
    }
    if (options.natives) {
      config = config.withNatives();
    }
    if (options.gpus > 0 && !options.natives) {
      throw new BadInput("--gpus: only native programs use GPUs: add --native");
    }
    if (options.gpus != 0) {
      config = config.with(gpus(options));
    } else if (options.gpuMemoryMib != null
        || options.perGpuSecond != null
        || options.processorsToo) {
      throw new BadInput(
          "--gpu-memory-mib, --price-gpu and --opencl-processors are about GPUs that are lent: say"
              + " how many, --gpus N");
    }
    if (options.operatedBy != null) {
      config = config.operatedBy(OperateCommand.read(options.operatedBy, key.address()));
    }
    ProviderNode provider = ProviderNode.start(config, screen::note);
    onStop(() -> {
      screen.note("draining; what runs gets " + options.drainS + " s");
      try {
        boolean all = provider.drain(Duration.ofSeconds(options.drainS));
        screen.note(all ? "the provider has stopped" : "stopped before the pool had everything");
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } finally {
        provider.close();
      }
    });
    started(provider, config);
    if (provider.isolation().kind() == Isolation.Kind.NONE) {
      screen.note("no isolation by the kernel: " + provider.isolation().reason());
    }
    return provider;
  }

  private void started(ProviderNode provider, ProviderConfig config) {
    if (asJson) {
      screen.json(json -> {
        json.writeStartObject();
        json.writeStringField("provider", provider.address().toString());
        json.writeStringField("name", config.terms().name());
        json.writeNumberField("cores", config.lent().cores());
        json.writeNumberField("memory_bytes", config.lent().memoryBytes());
        json.writeNumberField("gpus", provider.offer().gpus().count());
        json.writeNumberField("gpu_memory_bytes", provider.offer().gpus().memoryBytes());
        json.writeStringField("isolation", provider.isolation().kind().name());
        json.writeBooleanField("native", config.natives());
        json.writeEndObject();
      });
      return;
    }
    screen.say(
        "provider "
            + provider.address()
            + " '"
            + config.terms().name()
            + "': "
            + config.lent().cores()
            + " cores, "
            + Amounts.bytes(config.lent().memoryBytes())
            + (provider.offer().capability().gasPerS().isPresent()
                ? ", " + Amounts.count(provider.offer().capability().gasPerS()) + " gas/s a core"
                : "")
            + gpus(provider.offer().gpus())
            + (config.natives() ? ", native programs in bubblewrap" : ""));
  }

  private static String gpus(Gpus gpus) {
    return !gpus.any()
        ? ""
        : ", "
            + gpus.count()
            + (gpus.count() == 1 ? " GPU with " : " GPUs with ")
            + Amounts.bytes(gpus.memoryBytes())
            + (gpus.count() == 1 ? "" : " each");
  }

  private static ProviderConfig.Terms terms(ProviderOptions options, ProviderConfig.Terms usual)
      throws BadInput {
    Price price = usual.price();
    return new ProviderConfig.Terms(
        options.name == null ? usual.name() : options.name,
        options.region == null ? usual.region() : options.region,
        new Price(
            price(options.perBillionGas, price.perBillionGas(), "--price-gas"),
            price(options.perGbSecond, price.perGbSecond(), "--price-memory"),
            price(options.perGb, price.perGb(), "--price-data")));
  }

  private static Electricity electricity(ProviderOptions options) throws BadInput {
    if (options.wattsPerGpu != null && options.wattsPerCore == null) {
      throw new BadInput(
          "--watts-per-gpu: who uses a GPU uses cores too: add --watts-per-core WATTS");
    }
    return new Electricity(
        mw(options.wattsPerCore),
        mw(options.wattsPerGpu),
        options.gPerKwh == null ? OptionalInt.empty() : OptionalInt.of(options.gPerKwh));
  }

  private static OptionalLong mw(@Nullable BigDecimal watts) {
    if (watts == null) {
      return OptionalLong.empty();
    }
    BigDecimal most = BigDecimal.valueOf(Electricity.MOST_MW + 1);
    return OptionalLong.of(watts.movePointRight(3).min(most).longValue());
  }

  private static ProviderConfig.LentGpus gpus(ProviderOptions options) throws BadInput {
    Long mib = options.gpuMemoryMib;
    long usual = ProviderConfig.USUAL_PER_GPU_SECOND;
    try {
      return new ProviderConfig.LentGpus(
          options.gpus,
          mib == null ? OptionalLong.empty() : OptionalLong.of(mib(mib)),
          price(options.perGpuSecond, usual, "--price-gpu"),
          options.processorsToo);
    } catch (IllegalArgumentException e) {
      throw new BadInput(String.valueOf(e.getMessage()));
    }
  }

  private static long price(@Nullable String text, long usual, String what) throws BadInput {
    return text == null ? usual : Amounts.microcredits(text, what);
  }

  private static ProviderConfig.Lent lent(ProviderOptions options, ProviderConfig.Lent usual) {
    return new ProviderConfig.Lent(
        options.cores == null ? usual.cores() : options.cores,
        options.memoryMib == null ? usual.memoryBytes() : mib(options.memoryMib),
        options.cacheMib == null ? usual.cacheBytes() : mib(options.cacheMib),
        usual.consumers());
  }

  private static long mib(long mib) {
    return Math.multiplyExact(Math.max(0, Math.min(mib, 1L << 30)), 1L << 20);
  }

  /// Registers what stops a thing that has just been started.
  synchronized void onStop(Runnable stop) {
    stops.push(stop);
  }

  /// Stops on Ctrl-C and SIGTERM.
  void stopOnSignal() {
    Runtime.getRuntime().addShutdownHook(new Thread(this::stop, "stop"));
  }

  /// Closes a pool; what was acknowledged is on disk even if that fails.
  static void close(PoolNode pool, Screen screen) {
    try {
      pool.close();
    } catch (IOException e) {
      screen.note("the pool did not close cleanly: " + e.getMessage());
    }
  }

  /// Waits until it is stopped by a signal, or fails by itself; returns the exit code.
  ///
  /// @param failures what may go wrong while it runs
  int await(List<Supplier<Optional<String>>> failures) throws InterruptedException {
    while (!stopped.await(FAILURE_CHECK_MS, TimeUnit.MILLISECONDS)) {
      for (Supplier<Optional<String>> failure : failures) {
        Optional<String> reason = failure.get();
        if (reason.isPresent()) {
          screen.note("perseid: " + reason.get());
          stop();
          return Exit.UNREACHABLE;
        }
      }
    }
    return Exit.OK;
  }

  /// Why a provider cannot go on.
  static Optional<String> failure(ProviderNode provider) {
    return Optional.ofNullable(provider.failure().getNow(null));
  }

  /// Stops everything, the last started first; the second time it does nothing.
  void stop() {
    synchronized (this) {
      if (over) {
        return;
      }
      over = true;
    }
    for (Runnable stop : stops) {
      stop.run();
    }
    stopped.countDown();
  }

  private static void announce(Path file, PoolClient.Target target) throws IOException {
    Path folder = file.getParent();
    if (folder != null) {
      Files.createDirectories(folder);
    }
    Path part = file.resolveSibling("address.part");
    Files.writeString(part, target + "\n");
    Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  private void remove(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      screen.note(file + " could not be removed: " + e.getMessage());
    }
  }
}
