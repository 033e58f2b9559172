// Laid down with the house; its parts follow.
