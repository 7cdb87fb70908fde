"""What tests share: servers, a whole daemon, waiting."""
