package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import com.google.protobuf.ByteString;
import dev.perseid.core.Gpus;
import dev.perseid.core.Offer;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.function.LongFunction;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.ParentCommand;

/// `perseid providers`.
@Command(
    name = "providers",
    description = "List the pool's providers: what they lend, cost and did.")
final class ProvidersCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Override
  public Integer call() throws BadInput, PoolFailure {
    List<Proto.ProviderView> providers;
    try (PoolClient client = at.connect(main)) {
      providers = client.providers();
    }
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartArray();
            for (Proto.ProviderView view : providers) {
              write(json, view);
            }
            json.writeEndArray();
          });
      return Exit.OK;
    }
    if (providers.isEmpty()) {
      main.screen().note("no providers yet; lend this machine with: perseid provider");
      return Exit.OK;
    }
    Table table =
        new Table(
            "provider",
            "name",
            "state",
            ">cores",
            ">memory",
            "gpus",
            ">gas/s",
            ">per Ggas",
            ">leases",
            ">done",
            ">failed",
            ">earned",
            ">doubt",
            "native",
            "trust");
    for (Proto.ProviderView view : providers) {
      Offer offer = offer(view);
      table.row(
          offer.provider(),
          offer.name(),
          view.getState(),
          shown(view, view.getCapacity().getCores(), offer.cores(), Long::toString),
          shown(view, view.getCapacity().getMemoryBytes(), offer.memoryBytes(), Amounts::bytes),
          gpus(view, offer.gpus()),
          Amounts.count(offer.capability().gasPerS()),
          Amounts.credits(offer.price().perBillionGas()),
          view.getLeases(),
          view.getAttemptsDone(),
          view.getAttemptsFailed(),
          Amounts.credits(view.getEarned()),
          String.format(Locale.ROOT, "%.2f %%", view.getDoubtPpm() / 1e4),
          view.getNativePlatform().isEmpty() ? "-" : view.getNativePlatform(),
          trust(view));
    }
    main.screen().say(table.lines());
    return Exit.OK;
  }

  /// What it declares, and before it what it showed if that is less.
  private static String shown(
      Proto.ProviderView view, long shown, long declared, LongFunction<String> text) {
    boolean isKnown = view.hasCapacity() && view.getCapacity().getProblem().isEmpty();
    return (isKnown && shown < declared ? text.apply(shown) + " of " : "") + text.apply(declared);
  }

  /// Likewise its GPUs: `1 of 4 x 24 GiB`.
  private static String gpus(Proto.ProviderView view, Gpus declared) {
    if (!declared.any()) {
      return "-";
    }
    Proto.Gpus shown = view.getCapacity().getGpus();
    return shown(view, shown.getCount(), declared.count(), Long::toString)
        + " x "
        + (shown.getCount() == 0
            ? Amounts.bytes(declared.memoryBytes())
            : shown(view, shown.getMemoryBytes(), declared.memoryBytes(), Amounts::bytes));
  }

  /// Who signed that it is its own; empty if nobody did.
  private static String operator(Proto.ProviderView view) {
    return address(view.getOperator(), "operator");
  }

  private static String address(ByteString bytes, String what) {
    try {
      return bytes.isEmpty() ? "" : Translation.address(bytes, "provider." + what).toString();
    } catch (Malformed e) {
      throw new IllegalStateException("the pool sent a bad " + what + ": " + e.getMessage(), e);
    }
  }

  /// What is believed of its results, in a few words.
  private static String trust(Proto.ProviderView view) {
    if (view.getDistrusted()) {
      return "gets no work: " + view.getRefuted() + " results refuted";
    }
    if (!view.getCapacity().getProblem().isEmpty()) {
      return "gets no work: its hardware could not be measured";
    }
    return view.getConfirmed()
        + " confirmed"
        + (view.getRefuted() == 0 ? "" : ", " + view.getRefuted() + " refuted")
        + (view.getBond().getAmount() == 0
            ? ""
            : ", " + Amounts.credits(view.getBond().getAmount()) + " bonded");
  }

  static Offer offer(Proto.ProviderView view) {
    try {
      return Translation.read(view.getOffer());
    } catch (Malformed e) {
      throw new IllegalStateException("the pool sent a bad offer: " + e.getMessage(), e);
    }
  }

  private static void write(JsonGenerator json, Proto.ProviderView view) throws IOException {
    Offer offer = offer(view);
    json.writeStartObject();
    json.writeStringField("provider", offer.provider().toString());
    json.writeStringField("name", offer.name());
    json.writeStringField("machine", offer.machine());
    json.writeStringField("region", offer.region());
    json.writeStringField("state", view.getState());
    json.writeNumberField("cores", offer.cores());
    json.writeNumberField("memory_bytes", offer.memoryBytes());
    json.writeNumberField("gpus", offer.gpus().count());
    json.writeNumberField("gpu_memory_bytes", offer.gpus().memoryBytes());
    json.writeNumberField("price_per_billion_gas_microcredits", offer.price().perBillionGas());
    json.writeNumberField("price_per_gb_second_microcredits", offer.price().perGbSecond());
    json.writeNumberField("price_per_gb_microcredits", offer.price().perGb());
    json.writeNumberField("price_per_gpu_second_microcredits", offer.price().perGpuSecond());
    measured(json, "cpu_ops_per_s", offer.capability().cpuOpsPerS());
    measured(json, "memory_bytes_per_s", offer.capability().memoryBytesPerS());
    measured(json, "gas_per_s", offer.capability().gasPerS());
    json.writeNumberField("leases", view.getLeases());
    json.writeNumberField("attempts_done", view.getAttemptsDone());
    json.writeNumberField("attempts_failed", view.getAttemptsFailed());
    json.writeNumberField("earned_microcredits", view.getEarned());
    json.writeNumberField("busy_ns", view.getBusyNs());
    json.writeNumberField("joined_us", view.getJoinedUs());
    json.writeNumberField("confirmed", view.getConfirmed());
    json.writeNumberField("refuted", view.getRefuted());
    json.writeNumberField("doubt_ppm", view.getDoubtPpm());
    json.writeNumberField("check_ppm", view.getCheckPpm());
    json.writeBooleanField("distrusted", view.getDistrusted());
    json.writeStringField("native_platform", view.getNativePlatform());
    json.writeStringField("operator", operator(view));
    if (view.hasMwPerCore()) {
      json.writeNumberField("mw_per_core", view.getMwPerCore());
    }
    if (view.hasGPerKwh()) {
      json.writeNumberField("carbon_g_per_kwh", view.getGPerKwh());
    }
    json.writeNumberField("retained_microcredits", view.getRetained());
    if (view.hasBond()) {
      Proto.Bond bond = view.getBond();
      json.writeObjectFieldStart("bond");
      json.writeNumberField("microcredits", bond.getAmount());
      json.writeStringField("funder", address(bond.getFunder(), "bond.funder"));
      json.writeNumberField("since_us", bond.getSinceUs());
      json.writeArrayFieldStart("owes_for_records");
      for (long entry : bond.getOwesList()) {
        json.writeNumber(entry);
      }
      json.writeEndArray();
      json.writeEndObject();
    }
    json.writeBooleanField("measuring", view.getMeasuring());
    if (view.hasCapacity()) {
      Proto.Capacity c = view.getCapacity();
      json.writeObjectFieldStart("shown");
      json.writeNumberField("at_us", c.getAtUs());
      json.writeNumberField("cores", c.getCores());
      json.writeNumberField("memory_bytes", c.getMemoryBytes());
      json.writeNumberField("steps_per_s", c.getStepsPerS());
      json.writeNumberField("gpus", c.getGpus().getCount());
      json.writeNumberField("gpu_memory_bytes", c.getGpus().getMemoryBytes());
      json.writeNumberField("gpu_steps_per_s", c.getGpuStepsPerS());
      json.writeStringField("problem", c.getProblem());
      json.writeEndObject();
    }
    json.writeEndObject();
  }

  private static void measured(JsonGenerator json, String name, OptionalLong value)
      throws IOException {
    if (value.isPresent()) {
      json.writeNumberField(name, value.getAsLong());
    }
  }
}
