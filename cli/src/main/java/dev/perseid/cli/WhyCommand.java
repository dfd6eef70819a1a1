package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.JobId;
import dev.perseid.core.Offer;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid why`.
@Command(
    name = "why",
    description =
        "Say why a job or task is not running, not placed, not paid, failed or is believed.",
    footer = {
      "",
      "perseid why provider PROVIDER   what is believed of a provider's results, and why",
      "perseid why result JOB TASK     on whose word a result counts"
    })
final class WhyCommand implements Callable<Integer> {
  private static final String PROVIDER = "provider";
  private static final String RESULT = "result";

  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Parameters(
      arity = "0..3",
      paramLabel = "JOB [TASK]",
      description =
          "A job, by default the newest, and a task's name, e.g. align[7], by default the job as a"
              + " whole.")
  private List<String> words = new ArrayList<>();

  @Override
  public Integer call() throws BadInput, PoolFailure {
    try (PoolClient client = at.connect(main)) {
      String first = words.isEmpty() ? "" : words.getFirst();
      if (first.equals(PROVIDER)) {
        if (words.size() != 2) {
          throw new BadInput(
              "name one provider, by its address or name: perseid why provider 0x... (see: perseid"
                  + " providers)");
        }
        Address provider = provider(client, words.get(1));
        say("provider", provider.toString(), client.why(provider));
        return Exit.OK;
      }
      List<String> rest = first.equals(RESULT) ? words.subList(1, words.size()) : words;
      if (first.equals(RESULT) && rest.size() != 2) {
        throw new BadInput("name the job and its task: perseid why result JOB TASK");
      }
      if (rest.size() > 2) {
        throw new BadInput(
            "'" + rest.get(2) + "' is too much: name a job and a task, nothing more");
      }
      JobId id = AtPool.job(client, rest.isEmpty() ? null : rest.getFirst());
      say("job", id.toString(), client.why(id, rest.size() < 2 ? "" : rest.get(1)));
    }
    return Exit.OK;
  }

  /// The provider that somebody means: by its address, or by its name if only one has it.
  private static Address provider(PoolClient client, String text) throws BadInput, PoolFailure {
    List<Address> found = new ArrayList<>();
    for (Proto.ProviderView view : client.providers()) {
      Offer offer = ProvidersCommand.offer(view);
      if (offer.provider().toString().equalsIgnoreCase(text) || offer.name().equals(text)) {
        found.add(offer.provider());
      }
    }
    if (found.size() == 1) {
      return found.getFirst();
    }
    throw new BadInput(
        found.isEmpty()
            ? "no provider of this pool has the address or name '"
                + text
                + "'; see: perseid providers"
            : found.size() + " providers are named '" + text + "'; write an address");
  }

  private void say(String what, String which, PoolClient.Why why) {
    Screen screen = main.screen();
    if (shared.json) {
      screen.json(json -> {
        json.writeStartObject();
        json.writeStringField(what, which);
        json.writeStringField("sentence", why.sentence());
        json.writeArrayFieldStart("would_help");
        for (String help : why.wouldHelp()) {
          json.writeString(help);
        }
        json.writeEndArray();
        json.writeEndObject();
      });
      return;
    }
    screen.say(why.sentence());
    for (String help : why.wouldHelp()) {
      screen.say("  would help: " + help);
    }
  }
}
