"""Pictures of explanations, angles and spheres."""
