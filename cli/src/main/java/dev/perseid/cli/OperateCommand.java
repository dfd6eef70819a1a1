package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.Operated;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid operate`: signs that a provider is somebody's own.
@Command(
    name = "operate",
    description =
        "Say that a provider is yours: prints what its option --operated-by needs, signed with your"
            + " key. Others check it first, rather than those that are yours.")
final class OperateCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();

  @Parameters(paramLabel = "PROVIDER", description = "The provider's address, 0x...")
  private String provider = "";

  @Option(
      names = "--key",
      paramLabel = "ROLE",
      description = "Which of your keys signs; default: consumer.")
  private @Nullable String role;

  @Override
  public Integer call() throws BadInput {
    Address of = OnChain.address(provider, "the provider");
    Key key = main.home().key(role == null ? "consumer" : role);
    String statement =
        write(new Operated(key.address(), key.sign(Digests.operated(key.address(), of))));
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartObject();
            json.writeStringField("provider", of.toString());
            json.writeStringField("operator", key.address().toString());
            json.writeStringField("statement", statement);
            json.writeEndObject();
          });
    } else {
      main.screen().say(statement);
    }
    return Exit.OK;
  }

  private static String write(Operated operated) {
    return operated.operator() + ":" + operated.signature();
  }

  /// What `perseid operate` printed.
  ///
  /// @param provider whom it must be about
  static Operated read(String statement, Address provider) throws BadInput {
    int colon = statement.indexOf(':');
    String advice = "write what `perseid operate " + provider + "` prints for the operator";
    if (colon < 0) {
      throw new BadInput("--operated-by '" + statement + "' is no such statement; " + advice);
    }
    Address operator =
        OnChain.address(statement.substring(0, colon), "--operated-by: the operator");
    String signature = statement.substring(colon + 1);
    Optional<Address> signer = Key.recover(Digests.operated(operator, provider), signature);
    if (!signer.equals(Optional.of(operator))) {
      throw new BadInput(
          "--operated-by: "
              + operator
              + " did not sign that it operates "
              + provider
              + "; "
              + advice);
    }
    return new Operated(operator, signature);
  }
}
