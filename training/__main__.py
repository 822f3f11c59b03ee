"""`python -m training` is `dpnp`: what `accelerate launch -m training` starts in each process."""

from training.commands.app import main

if __name__ == "__main__":
    main()
