mod hostile;
mod life;
mod meeting;
mod names;
mod segments;
