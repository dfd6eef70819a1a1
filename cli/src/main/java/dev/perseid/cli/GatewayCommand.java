package dev.perseid.cli;

import dev.perseid.gateway.Gateway;
import dev.perseid.gateway.GatewayConfig;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.RemoteMarket;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// `perseid gateway`: the APIs of OpenAI, Anthropic, Ollama and KServe on this machine, answered by
/// the pool's providers on this user's account.
@Command(
    name = "gateway",
    description =
        "Offer the pool's models to programs on this machine, with the APIs they know already.")
final class GatewayCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Option(
      names = "--port",
      defaultValue = "" + Serving.USUAL_GATEWAY_PORT,
      description = "The port on 127.0.0.1, 0 for a free one; ${DEFAULT-VALUE}.")
  private int port = Serving.USUAL_GATEWAY_PORT;

  @Option(
      names = "--sealed",
      description = "Encrypt every request to its provider, so that the pool cannot read it.")
  private boolean sealed;

  @Option(
      names = "--window",
      paramLabel = "CREDITS",
      defaultValue = Paying.REQUESTS_WINDOW,
      description =
          "Where the pool asks for vouchers: how much you may owe beyond what receipts prove;"
              + " ${DEFAULT-VALUE}, or what a request may cost.")
  private String window = Paying.REQUESTS_WINDOW;

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException, InterruptedException {
    if (port < 0 || port > 65_535) {
      throw new BadInput("--port: write 0 (a free one) to 65535");
    }
    Screen screen = main.screen();
    Serving serving = new Serving(screen, shared.json);
    serving.stopOnSignal();
    Path keyFile = main.home().folder().resolve("gateway.key");
    String key = key(keyFile);
    PoolClient client = at.connect(main);
    serving.onStop(client::close);
    RemoteMarket market =
        RemoteMarket.open(
            client,
            key,
            sealed,
            Agreed.wallet(main.home(), client, screen::note),
            Amounts.microcredits(window, "--window"),
            screen::note);
    serving.onStop(market::close);
    Gateway gateway;
    try {
      gateway =
          Gateway.start(GatewayConfig.loopback().at("127.0.0.1", port, Optional.empty()), market);
    } catch (IOException e) {
      serving.stop();
      throw new BadInput(
          "the gateway cannot listen at 127.0.0.1:"
              + port
              + ": another program has the port; write --port PORT, or 0 for a free one");
    }
    serving.onStop(gateway::close);
    if (shared.json) {
      screen.json(json -> {
        json.writeStartObject();
        json.writeStringField("url", gateway.url());
        json.writeStringField("key_file", keyFile.toString());
        json.writeEndObject();
      });
    } else {
      screen.say("gateway " + gateway.url() + (sealed ? " (requests are sealed)" : ""));
      screen.note(
          "for programs: export OPENAI_BASE_URL="
              + gateway.url()
              + "/v1 OPENAI_API_KEY=$(cat "
              + keyFile
              + ")");
    }
    return serving.await(List.of());
  }

  /// The key that programs on this machine show, made if there is none yet; for its owner only.
  private static String key(Path file) throws BadInput {
    try {
      if (Files.isRegularFile(file)) {
        String key = Files.readString(file).strip();
        if (!key.matches("[!-~]{16,256}")) {
          throw new BadInput(file + " holds no key; delete it, and a new one is made");
        }
        return key;
      }
      String key = KeyCommand.fresh();
      Path folder = file.getParent();
      if (folder != null) {
        Files.createDirectories(folder);
      }
      Files.createFile(
          file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      Files.writeString(file, key + "\n", StandardOpenOption.TRUNCATE_EXISTING);
      return key;
    } catch (IOException e) {
      throw new BadInput("the key file " + file + " cannot be used: " + e.getMessage());
    }
  }
}
